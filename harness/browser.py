"""Chromium with a fake microphone and without background traffic."""

from collections.abc import Iterable

from playwright.async_api import Browser, Playwright

from scripts.chromium import LINK

ASK = "--use-fake-ui-for-media-stream"  # without this flag the microphone is refused
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    ASK,
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


async def launch(playwright: Playwright, flags: Iterable[str] = FLAGS) -> Browser:
    return await playwright.chromium.launch(executable_path=str(LINK), args=list(flags))
