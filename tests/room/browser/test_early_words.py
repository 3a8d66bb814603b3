"""What a learner says or types before the tutor joins is not lost."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from playwright.async_api import expect

from agent.room.rates import RATES
from harness.processes import frozen
from harness.stack import Stack
from tests.room.conftest import Course

PHRASE = "what is machine learning"
TYPED = RATES["turn"].burst + 6  # more than the tutor takes at once
# the phrase is over: the level meter was lit, then dark for a second
SAID = """() => {
  const lit = document.querySelectorAll('.mic .level .on').length > 0;
  const now = performance.now();
  window.heard = window.heard || lit;
  window.loud = lit ? now : window.loud ?? now;
  return window.heard && now - window.loud > 1000;
}"""


# each typed line is in the transcript or in the box, in one of them only, and in order
ALL_THERE = """(count) => {
  const shown = [...document.querySelectorAll('.turn.me .sentence')].map((one) => one.textContent);
  const box = document.getElementById('say').value.split('\\n').slice(0, -1);
  const found = [...shown, ...box].map((line) => line.trim());
  const all = Array.from({ length: count }, (_, index) => `line ${index + 1}`);
  const places = box.map((line) => all.indexOf(line));
  const ordered = places.every((place, index) => index === 0 || place > places[index - 1]);
  return box.length > 0 && ordered && found.sort().join() === all.sort().join();
}"""


def tutor_held_up(stack: Stack) -> AbstractContextManager[None]:
    """The tutor is dispatched, but joins only at the end."""
    return frozen(*stack.pids("agent start"))


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
    with tutor_held_up(stack):
        page = await sign_in(browser, "Ester the early", module.id)
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.locator(".say")).to_contain_text("You can start speaking.")
        await page.wait_for_function(SAID, polling=50)
        assert await page.locator(".turn").count() == 0
    await expect(page.locator(".turn.me").first).to_contain_text(PHRASE)


async def test_typed_turns_that_are_refused_come_back_into_the_box(
    fresh_page: Callable[..., Any], course: Course, stack: Stack
) -> None:
    page = await fresh_page("Toni who types", course.modules[1])
    box = page.get_by_label("Type to Bodh")
    with tutor_held_up(stack):
        await page.get_by_role("button", name="Start without a microphone").click()
        await expect(page.locator(".say")).to_contain_text("You can start typing.")
        for number in range(1, TYPED + 1):
            await box.fill(f"line {number}")
            await box.press("Enter")
        await box.fill("typed since")
    await expect(page.get_by_text("Your text is back in the box. Wait")).to_be_visible()
    await expect(box).to_have_value(re.compile(r"^(line \d+\n)+typed since$"))
    await page.wait_for_function(ALL_THERE, arg=TYPED)
