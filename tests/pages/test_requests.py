"""Requests that end while the response arrives: the page keeps what it shows, or says so."""

from playwright.async_api import Browser, expect

from tests.pages.browser import still_page
from tests.pages.states import State, open_state

CUT_OFF = """() => {
  const start = (body) => body.error(new TypeError('network error'));
  window.fetch = () => Promise.resolve(new Response(new ReadableStream({ start })));
}"""


async def test_response_that_is_cut_off_counts_as_no_response(
    states_url: str, browser: Browser
) -> None:
    async with still_page(browser, 1280, 800) as page:
        await open_state(page, states_url, State("transcripts", "transcripts"))
        await page.evaluate(CUT_OFF)
        await page.get_by_role("link", name="Courses", exact=True).click()
        await expect(page.get_by_role("heading", name="Your courses")).to_be_visible()
        await expect(page.get_by_text("Can’t reach the server.")).to_be_visible()
