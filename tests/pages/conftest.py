"""Fixtures of the page tests: the states entry and one shared Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.pages.browser import launched, served_states


@pytest.fixture(scope="session")
def states_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_states(tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launched(playwright) as browser:
        yield browser
