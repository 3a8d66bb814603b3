"""Chromium with a fake microphone and without background traffic."""

from collections.abc import Iterable

from playwright.async_api import Browser, Page, Playwright

from scripts.chromium import LINK

GRANT_MICROPHONE = "--use-fake-ui-for-media-stream"  # without this flag the microphone is refused
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    GRANT_MICROPHONE,
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


async def agree_if_asked(page: Page) -> None:
    agree = page.get_by_role("button", name="Agree and keep a transcript")
    start = page.get_by_role("button", name="Start talking")
    await agree.or_(start).wait_for()
    if await agree.is_visible():
        await agree.click()
        await start.wait_for()


async def launch_browser(playwright: Playwright, flags: Iterable[str] = BROWSER_FLAGS) -> Browser:
    return await playwright.chromium.launch(executable_path=str(LINK), args=list(flags))
