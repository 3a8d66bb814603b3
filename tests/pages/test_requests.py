"""Requests that end while the response arrives: the page keeps what it shows, or says so."""

from playwright.async_api import Browser, expect

from tests.pages.browser import still_page
from tests.pages.states import State, open_people, open_state

# answers a GET of `path` with a body that never ends, until the page stops the request
UNFINISHED = """(path) => {
  const answer = window.fetch;
  const counts = Object.assign(document.documentElement.dataset, { asked: 0, stopped: 0 });
  window.fetch = (input, init = {}) => {
    if (init.method !== undefined || !String(input).endsWith(path)) return answer(input, init);
    counts.asked = Number(counts.asked) + 1;
    const start = (body) => init.signal.addEventListener('abort', () => {
      counts.stopped = Number(counts.stopped) + 1;
      body.error(init.signal.reason);
    });
    return Promise.resolve(new Response(new ReadableStream({ start })));
  };
}"""
CUT_OFF = """() => {
  const start = (body) => body.error(new TypeError('network error'));
  window.fetch = () => Promise.resolve(new Response(new ReadableStream({ start })));
}"""


async def test_request_stopped_halfway_leaves_the_page_as_it_is(
    states_url: str, browser: Browser
) -> None:
    async with still_page(browser, 1280, 800) as page:
        await open_state(page, states_url, State("people", "room-staff", open_people))
        unmute = page.get_by_role("button", name="Unmute Tomás")
        await page.evaluate(UNFINISHED, "/restrictions")
        await unmute.click()  # is refused, and then the list is loaded again
        await expect(page.locator("html")).to_have_attribute("data-asked", "1")
        await unmute.click()
        await expect(page.locator("html")).to_have_attribute("data-stopped", "1")
        await expect(unmute).to_be_visible()


async def test_response_that_is_cut_off_counts_as_no_response(
    states_url: str, browser: Browser
) -> None:
    async with still_page(browser, 1280, 800) as page:
        await open_state(page, states_url, State("transcripts", "transcripts"))
        await page.evaluate(CUT_OFF)
        await page.get_by_role("link", name="Courses", exact=True).click()
        await expect(page.get_by_role("heading", name="Your courses")).to_be_visible()
        await expect(page.get_by_text("reach the server. Check your connection")).to_be_visible()
