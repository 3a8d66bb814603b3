"""What a learner says before the tutor joins is not lost."""

import os
import signal
from collections.abc import Callable
from typing import Any

from playwright.async_api import expect

from harness.stack import Stack
from tests.room.conftest import Course

PHRASE = "what is machine learning"
# the phrase is over: the level meter was lit, then dark for a second
SAID = """() => {
  const lit = document.querySelectorAll('.mic .level .on').length > 0;
  const now = performance.now();
  window.heard = window.heard || lit;
  window.loud = lit ? now : window.loud ?? now;
  return window.heard && now - window.loud > 1000;
}"""


async def test_speech_from_before_the_tutor_joined_is_captioned(
    open_browser: Callable[..., Any],
    sign_in: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    stack: Stack,
) -> None:
    module = course.modules[1]
    await fresh_room(module)
    browser = await open_browser([PHRASE], lead_s=3.0, gap_s=2.0)
    worker = stack.pids("agent start")
    for pid in worker:  # the tutor is dispatched, but joins late
        os.kill(pid, signal.SIGSTOP)
    try:
        page = await sign_in(browser, "Ester the early", module.id)
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.locator(".say")).to_contain_text("You can start speaking.")
        await page.wait_for_function(SAID, polling=50)
        assert await page.locator(".turn").count() == 0
    finally:
        for pid in worker:
            os.kill(pid, signal.SIGCONT)
    await expect(page.locator(".turn.me").first).to_contain_text(PHRASE)
