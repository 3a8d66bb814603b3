"""A first lesson, from sign-in to the exported transcript."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import webvtt
from playwright.async_api import Page, expect

from harness.stack import Stack
from tests.room.browser.conftest import (
    ANSWER_MS,
    NOTE_STATES,
    leave,
    open_transcript,
    type_to_tutor,
)
from tests.room.browser.test_page import watch
from tests.room.conftest import Course

SPOKEN, TYPED = "what is machine learning", "What is a label?"
SHOWN = {"Connecting", "Listening", "Thinking", "Speaking"}


async def test_a_first_lesson_from_sign_in_to_transcript_export(
    open_browser: Callable[..., Any],
    stack: Stack,
    course: Course,
    fresh_room: Callable[..., Any],
    tmp_path: Path,
) -> None:
    await fresh_room(course.modules[0])
    browser = await open_browser([SPOKEN])
    context = await browser.new_context(base_url=stack.url, permissions=["microphone"])
    page = await context.new_page()
    page.set_default_timeout(ANSWER_MS)
    trouble = watch(page)
    await page.add_init_script(NOTE_STATES)
    await page.goto("/")
    await page.get_by_label("Your name").fill("Beatriz of the first lesson")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Start the first lesson").click()
    await expect(page.get_by_text("Everything stays on this server.")).to_be_visible()
    await page.get_by_role("button", name="Agree and keep a transcript").click()
    await expect(page.get_by_text("We can hear you")).to_be_visible()
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text("Beatriz of the first lesson")
    await expect(page.locator(".turn.me").first).to_contain_text(SPOKEN, timeout=40_000)
    await expect(page.get_by_text("Bodh is running offline.")).to_be_visible()
    await page.locator(".cite").first.click()
    await expect(page.locator(".pas.cited").first).to_be_in_viewport()
    await type_to_tutor(page, TYPED)
    assert set(await page.evaluate("window.states")) >= SHOWN
    await leave(page)
    await open_transcript(page, TYPED)
    await expect(page.locator(".lines")).to_contain_text(SPOKEN)
    await search(page, "labels")
    await exports_agree(page, tmp_path)
    assert trouble == []


async def search(page: Page, word: str) -> None:
    """Finds a word by its stem, highlights it and jumps to the next result."""
    await page.get_by_label("Search transcripts").fill(word)
    await expect(page.locator(".find [role=status]")).to_have_text(re.compile(r"^1 of [1-9]\d*"))
    await expect(page.locator("mark.cur").first).to_have_text(re.compile("^label", re.IGNORECASE))


async def exports_agree(page: Page, folder: Path) -> None:
    """All formats parse, with the same words by the same speakers."""
    files = {}
    for label in ("Captions", "Plain text", "All data", "For braille displays"):
        await page.get_by_role("button", name="Export").click()
        async with page.expect_download() as download:
            await page.get_by_role("menuitem", name=label).click()
        files[label] = folder / (await download.value).suggested_filename
        await (await download.value).save_as(files[label])
    segments = json.loads(files["All data"].read_text())["segments"]
    said = [(one["name"], " ".join(one["text"].split())) for one in segments]
    assert {SPOKEN, TYPED} <= {text for _, text in said}
    cues = [(cue.voice, cue.text) for cue in webvtt.read(files["Captions"])]
    lines = re.findall(r"^\[[\d:]{8}\] (.+?): (.+)$", files["Plain text"].read_text(), re.MULTILINE)
    feed = files["For braille displays"].read_text().splitlines()
    assert cues == said
    assert lines == said
    assert [line.removeprefix(f"{who}: ") for line, (who, _) in zip(feed, said, strict=True)] == [
        text for _, text in said
    ]
