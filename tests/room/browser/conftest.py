"""Fixtures of the browser tests: Chromium with a fake microphone, and steps on the page."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Page, Playwright, expect

from agent.models.espeak import RATE as VOICE_RATE
from harness.browser import BROWSER_FLAGS, agree_if_asked, launch_browser
from harness.stack import Stack
from harness.voices import synthesise_cached
from tests.room.conftest import Module

ANSWER_MS = 20_000
expect.set_options(timeout=ANSWER_MS)
# collects the words that the voice line shows
NOTE_STATES = """
  window.states = [];
  new MutationObserver(() => {
    const word = document.querySelector('.agent .say b')?.textContent;
    if (word && window.states.at(-1) !== word) window.states.push(word);
  }).observe(document, { subtree: true, childList: true, characterData: true });
"""


async def microphone_file(path: Path, phrases: list[str], *, lead_s: float, gap_s: float) -> Path:
    """Writes a recording of phrases with silence before, between and after them."""
    parts = [np.zeros(int(lead_s * VOICE_RATE), np.int16)]
    for phrase in phrases:
        parts += [await synthesise_cached(phrase), np.zeros(int(gap_s * VOICE_RATE), np.int16)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(VOICE_RATE)
        file.writeframes(np.concatenate(parts).tobytes())
    return path


@pytest.fixture
async def open_browser(
    playwright: Playwright, chromium: Browser, tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """Gives the shared browser, or a new one whose microphone says the given phrases once."""
    async with AsyncExitStack() as stack:

        async def start(
            phrases: list[str] | None = None,
            *,
            lead_s: float = 14.0,
            gap_s: float = 11.0,
            without: str = "",
        ) -> Browser:
            if not phrases and not without:
                return chromium
            flags = [flag for flag in BROWSER_FLAGS if flag != without]
            if phrases:
                path = await microphone_file(
                    tmp_path / "microphone.wav", phrases, lead_s=lead_s, gap_s=gap_s
                )
                flags.append(f"--use-file-for-fake-audio-capture={path}%noloop")
            browser = await launch_browser(playwright, flags)
            stack.push_async_callback(browser.close)
            return browser

        yield start
        for context in chromium.contexts:
            await context.close()


@pytest.fixture
def sign_in(stack: Stack) -> Callable[..., Any]:
    """Signs in through the page and opens a module of the sample course."""

    async def open_room(
        browser: Browser,
        name: str,
        module: str,
        lesson: str = "",
        permissions: Sequence[str] = ("microphone",),
        role: str = "Learner",
    ) -> Page:
        context = await browser.new_context(base_url=stack.url, permissions=permissions)
        page = await context.new_page()
        page.set_default_timeout(ANSWER_MS)
        await page.add_init_script(NOTE_STATES)
        await page.goto("/auth/signin")
        await page.get_by_label("Your name").fill(name)
        await page.get_by_role("radio", name=role).check()
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_hidden()
        query = f"?lesson={lesson}" if lesson else ""
        await page.goto(f"/v2/course/ml-intro/module/{module}{query}")
        await agree_if_asked(page)
        return page

    return open_room


@pytest.fixture
def fresh_page(
    open_browser: Callable[..., Any], sign_in: Callable[..., Any], fresh_room: Callable[..., Any]
) -> Callable[..., Any]:
    """Signs in and opens a module, whose next conversation is a new session."""

    async def open_page(
        name: str, module: Module, lesson: str = "", phrases: list[str] | None = None
    ) -> Page:
        await fresh_room(module)
        page: Page = await sign_in(await open_browser(phrases), name, module.id, lesson)
        return page

    return open_page


async def start_typed(page: Page) -> None:
    """Starts the conversation without a microphone and waits for the greeting."""
    await agree_if_asked(page)
    await page.get_by_role("button", name="Start without a microphone").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text(" ")


async def type_to_tutor(page: Page, text: str) -> None:
    """Types a line and waits for an answer."""
    answers = page.locator(".turn.me", has_text=text).locator("xpath=following-sibling::*")
    box = page.get_by_label("Type to Bodh")
    await box.fill(text)
    await box.press("Enter")
    await expect(answers.first).to_contain_text(" ")


async def leave(page: Page) -> None:
    await page.get_by_role("button", name="Leave the conversation").click()
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()


async def open_transcript(page: Page, text: str) -> None:
    """Opens the newest transcript and waits until it contains a text."""
    await page.goto("/transcripts")
    async with asyncio.timeout(20):
        while not await page.locator(".talks a").count():
            await page.reload()
            await expect(page.locator("p.quiet[role=status]")).to_have_count(0)
        await page.locator(".talks a").first.click()
        await page.wait_for_url("**/transcripts/*")
        await expect(page.locator("h1")).not_to_be_empty()
        while not await page.locator(".lines", has_text=text).count():
            await page.reload()
            await expect(page.locator("p.quiet[role=status]")).to_have_count(0)
