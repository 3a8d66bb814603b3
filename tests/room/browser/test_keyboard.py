"""A lesson by keyboard alone, with the focus order and the keys of the design."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, expect

from harness.stack import Stack
from tests.room.conftest import Course

FOCUSED = """() => {
  const one = document.activeElement;
  return one.getAttribute('aria-label') || one.textContent.trim() || one.id || one.tagName;
}"""


async def tab_to(page: Page, name: str, key: str = "Tab", most: int = 40) -> list[str]:
    """Presses a key until the named element has focus. Returns the ones focused on the way."""
    passed: list[str] = []
    for _ in range(most):
        await page.keyboard.press(key)
        passed.append(await page.evaluate(FOCUSED))
        if passed[-1].startswith(name):
            return passed
    raise AssertionError(f"{name} was not reached: {passed}")


async def test_a_lesson_by_keyboard_alone(
    open_browser: Callable[..., Any],
    stack: Stack,
    course: Course,
    fresh_room: Callable[..., Any],
) -> None:
    await fresh_room(course.modules[0])
    browser = await open_browser()
    context = await browser.new_context(base_url=stack.url, permissions=["microphone"])
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto("/auth/signin")
    await expect(page.get_by_label("Your name")).to_be_visible()
    await tab_to(page, "name")
    await page.keyboard.type("Mira of the keyboard")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Start the first lesson")).to_be_visible()
    await tab_to(page, "Start the first lesson")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Agree and keep a transcript")).to_be_visible()
    await skip_to_the_talk(page)
    await tab_to(page, "Agree and keep a transcript")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("We can hear you")).to_be_visible()
    await expect(page.locator("#talk")).to_be_focused()
    await tab_to(page, "Start talking")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Mute microphone")).to_be_focused()
    await talk_by_keys(page)
    await switch_lesson_by_keys(page, course.modules[0].lessons[1]["title"])
    await tab_to(page, "Leave the conversation")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()


async def skip_to_the_talk(page: Page) -> None:
    """The skip links come first. One skips the course tree and the lesson."""
    await page.evaluate("document.activeElement.blur()")
    passed = await tab_to(page, "Skip to conversation")
    assert passed[-2:] == ["Skip to lesson", "Skip to conversation"]
    await page.keyboard.press("Enter")
    await expect(page.locator("#talk")).to_be_focused()


async def talk_by_keys(page: Page) -> None:
    """The shortcuts to mute, type and stop the tutor."""
    await page.keyboard.press("Control+d")
    await expect(page.get_by_role("button", name="Unmute microphone")).to_be_visible()
    await page.keyboard.press("Control+d")
    await expect(page.get_by_role("button", name="Mute microphone")).to_be_visible()
    await page.keyboard.press("Control+d")
    await expect(page.locator(".turn.bodh").first).to_contain_text("Mira of the keyboard")
    box = page.get_by_label("Type to Bodh")
    await page.keyboard.press("/")
    await expect(box).to_be_focused()
    await page.keyboard.type("Summarise")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("this lesson /")
    await expect(box).to_have_value("Summarise\nthis lesson /")
    await page.keyboard.press("Enter")
    await expect(box).to_have_value("")
    own = page.locator(".turn.me", has_text="Summarise")
    answer = own.locator("xpath=following-sibling::*").first
    await expect(answer).to_contain_text(" ")  # before it, the greeting may be "Speaking"
    await expect(page.locator(".agent .say b")).to_have_text("Speaking")
    await page.keyboard.press("Control+.")
    await expect(page.locator(".agent .say b")).to_have_text("Listening", timeout=3_000)
    await page.keyboard.press("Escape")
    await expect(box).not_to_be_focused()
    await page.keyboard.press("Control+Shift+D")
    await expect(page.locator(".drawer")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".drawer")).to_have_count(0)
    await page.keyboard.press("/")
    await expect(box).to_be_focused()
    order = await tab_to(page, "Leave the conversation")
    assert order == ["Send", "Unmute microphone", "Voice on, Bodh speaks", "Leave the conversation"]


async def switch_lesson_by_keys(page: Page, title: str) -> None:
    """Opens the next lesson from the end of this one. Its title gets the focus."""
    await tab_to(page, f"Next: {title}", "Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".sheet .title")).to_have_text(title)
    await expect(page.locator(".sheet .title")).to_be_focused()
