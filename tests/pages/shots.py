"""`make shots`: screenshots of every page and state, light and dark, desktop and phone."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.async_api import Browser, async_playwright

from harness.run_folder import begin_run, use_own_temporary_folder
from harness.stack import ROOT
from tests.pages.browser import launched, served_states, still_page
from tests.pages.states import STATES, State, open_state

SHOTS = ROOT / "build" / "shots"
DEVICES = {"desktop": (1280, 800), "phone": (390, 844)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def take(browser: Browser, url: str, state: State, device: str) -> None:
    width, height = DEVICES[device]
    async with still_page(browser, width, height) as page:
        await open_state(page, url, state)
        if state.entry.startswith("room-before"):
            await page.get_by_text("We can hear you").wait_for()
        for theme in THEMES:
            await page.emulate_media(color_scheme=theme)
            await page.screenshot(path=SHOTS / f"{state.name}-{device}-{theme}.png")


async def main() -> None:
    with TemporaryDirectory() as home, served_states(Path(home)) as url:
        async with async_playwright() as playwright, launched(playwright) as browser:
            for state in STATES:
                for device, (width, _) in DEVICES.items():
                    if width < state.below:
                        await take(browser, url, state, device)
    print(f"{len(list(SHOTS.glob('*.png')))} screenshots in {SHOTS.relative_to(ROOT)}")


if __name__ == "__main__":
    use_own_temporary_folder(begin_run())
    asyncio.run(main())
