"""Fixtures of the page tests: the states entry and the shared Chromium."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from tests.pages.browser import served_states


@pytest.fixture(scope="session")
def states_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_states(tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture(scope="session")
def browser(chromium: Browser) -> Browser:
    return chromium
