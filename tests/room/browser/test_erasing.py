"""Erased words are gone everywhere, and nothing is stored while storing is off."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
from playwright.async_api import Page, Route, expect

from harness.stack import Stack
from tests.room.browser.conftest import leave, open_transcript, start_typed, type_to_tutor
from tests.room.conftest import Course

PLANTED = "What does machine learning know of my grandmother and her nineteen bees?"
TRACE = "nineteen bees"
FORMS = ("vtt", "txt", "json", "feed")


async def tables_with(rows: asyncpg.Connection, text: str) -> list[str]:
    """Tables with the text in any column of any row."""
    names = await rows.fetch("select tablename from pg_tables where schemaname = 'public'")
    found = []
    for (name,) in names:
        query = f'select count(*) from "{name}" as one where one::text ilike $1'  # noqa: S608
        if await rows.fetchval(query, f"%{text}%"):
            found.append(name)
    return sorted(found)


def files_with(home: Path, text: str) -> list[str]:
    """Files of the spool that contain the text."""
    spool = (home / "spool").iterdir()
    return sorted(path.name for path in spool if text.encode() in path.read_bytes())


async def exported(page: Page) -> str:
    """The open transcript in every export format."""
    session_id = page.url.split("/transcripts/")[1][:36]
    path = f"/api/sessions/{session_id}/transcript?format="
    answers = [await page.request.get(path + form) for form in FORMS]
    assert [answer.status for answer in answers] == [200] * len(FORMS)
    return "\n".join([await answer.text() for answer in answers])


async def test_erased_words_leave_no_trace(
    fresh_page: Callable[..., Any], stack: Stack, course: Course, rows: asyncpg.Connection
) -> None:
    page = await fresh_page("Dana who erases", course.modules[0])
    await start_typed(page)
    await type_to_tutor(page, PLANTED)
    await leave(page)
    await open_transcript(page, PLANTED)
    assert await tables_with(rows, TRACE) == ["transcript_segments"]
    assert files_with(stack.home, TRACE) != []
    assert (await exported(page)).count(TRACE) == len(FORMS)

    await page.get_by_role("button", name="Export").click()
    await page.get_by_role("menuitem", name="Erase what I said").click()
    await page.get_by_role("button", name="Erase").click()
    await expect(page.get_by_text("What you said here has been erased.")).to_be_visible()
    await expect(page.locator("main")).not_to_contain_text(TRACE)
    assert await tables_with(rows, TRACE) == []
    assert TRACE not in await exported(page)
    async with asyncio.timeout(20):
        while files_with(stack.home, TRACE):  # noqa: ASYNC110 the drainer is another process
            await asyncio.sleep(0.2)
    await page.get_by_label("Search transcripts").fill("bees")
    await expect(page.locator(".find [role=status]")).to_have_text("No results")


async def continue_late(route: Route) -> None:
    await asyncio.sleep(1)
    await route.continue_()


async def test_nothing_is_stored_while_storing_is_off(
    fresh_page: Callable[..., Any], stack: Stack, course: Course, rows: asyncpg.Connection
) -> None:
    page = await fresh_page("Emil who keeps nothing", course.modules[0])
    await page.route("**/api/me/settings", continue_late)  # the switch must not show a guess
    await page.reload()
    await page.get_by_role("switch", name="Store what I say").uncheck()
    await start_typed(page)
    await type_to_tutor(page, PLANTED.replace("nineteen", "twenty"))
    await leave(page)
    await page.goto("/transcripts")
    await expect(page.get_by_text("No transcripts yet.")).to_be_visible()
    assert await tables_with(rows, "twenty bees") == []
    assert files_with(stack.home, "twenty bees") == []
