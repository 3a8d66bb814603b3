"""A Chromium with a fake microphone that says what a test wants."""

import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from agent.plugins.espeak import RATE as VOICE_RATE
from scripts.chromium import LINK
from tests.stack import Stack
from tests.voices import spoken

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
ANSWER_MS = 20_000


async def microphone_file(path: Path, phrases: list[str], *, lead_s: float, gap_s: float) -> Path:
    """A recording of phrases with silence before, between and behind them."""
    parts = [np.zeros(int(lead_s * VOICE_RATE), np.int16)]
    for phrase in phrases:
        parts += [await spoken(phrase), np.zeros(int(gap_s * VOICE_RATE), np.int16)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(VOICE_RATE)
        file.writeframes(np.concatenate(parts).tobytes())
    return path


@pytest.fixture
async def open_browser(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts browsers; with phrases their microphone says them, once."""
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())

        async def start(
            phrases: list[str] | None = None, *, lead_s: float = 14.0, gap_s: float = 11.0
        ) -> Browser:
            flags = list(FLAGS)
            if phrases:
                path = await microphone_file(
                    tmp_path / "microphone.wav", phrases, lead_s=lead_s, gap_s=gap_s
                )
                flags.append(f"--use-file-for-fake-audio-capture={path}%noloop")
            browser = await playwright.chromium.launch(executable_path=str(LINK), args=flags)
            stack.push_async_callback(browser.close)
            return browser

        yield start


@pytest.fixture
def sign_in(stack: Stack) -> Callable[..., Any]:
    """Signs in through the page and opens the first module of the sample course."""

    async def open_room(browser: Browser, name: str, module: str, lesson: str = "") -> Page:
        context = await browser.new_context(base_url=stack.url, permissions=["microphone"])
        page = await context.new_page()
        page.set_default_timeout(ANSWER_MS)
        await page.goto("/auth/signin")
        await page.get_by_label("Your name").fill(name)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_hidden()
        query = f"?lesson={lesson}" if lesson else ""
        await page.goto(f"/v2/course/ml-intro/module/{module}{query}")
        return page

    return open_room
