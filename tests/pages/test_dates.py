"""Dates name the year, unless it is this one."""

import pytest
from playwright.async_api import Browser, expect

from tests.pages.browser import still_page
from tests.pages.states import State, open_state

# the conversation of the states was on 5 March 2026
DAYS = [
    ("2026-12-31T12:00:00", "5 Mar, ", "Thursday 5 March,"),
    ("2027-01-01T12:00:00", "5 Mar 2026, ", "Thursday 5 March 2026,"),
]


@pytest.mark.parametrize(("now", "short", "long"), DAYS)
async def test_dates_of_another_year_name_it(
    states_url: str, browser: Browser, now: str, short: str, long: str
) -> None:
    async with still_page(browser, 1280, 800) as page:
        await page.clock.set_fixed_time(now)
        await open_state(page, states_url, State("transcript", "transcript"))
        await expect(page.locator("body")).to_contain_text(long)
        await expect(page.locator("body")).to_contain_text(short)
