"""The states are complete, and not part of the served page."""

from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.pages.browser import BUILT, served_states, still_page
from tests.pages.states import ENTRIES
from web.pages import DIST

MARKS = ("bodh-states-entry", "room-coming-typed", "transcript-found")


def texts_in(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.suffix in (".html", ".js", ".css")]
    return "\n".join(path.read_text() for path in files)


def test_built_page_contains_nothing_of_the_states() -> None:
    built, states = texts_in(DIST), texts_in(BUILT)
    assert [mark for mark in MARKS if mark in built] == []
    assert [mark for mark in MARKS if mark not in states] == []


async def test_every_state_is_under_test(states_url: str, browser: Browser) -> None:
    async with still_page(browser, 1280, 800) as page:
        await page.goto(states_url)
        names = await page.get_by_role("link").all_inner_texts()
    assert names == list(ENTRIES)


def test_missing_states_name_the_command_that_builds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.pages.browser.BUILT", tmp_path)
    with pytest.raises(FileNotFoundError, match="is not built"), served_states(tmp_path):
        pass
