"""The learner room: sign in, read, talk, type, change the lesson, leave."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, expect

from harness.browser import agree_if_asked
from tests.room.conftest import Course
from tests.soak import SOAK

PHRASES = [
    "what is machine learning",
    "what is the loss function",
    "give me an example please",
    "thank you bodh",
][: 4 if SOAK else 2]


async def test_spoken_phrases_are_captioned_and_answered_on_the_page(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    module = course.modules[0]
    page = await fresh_page("Amina of the page", module, phrases=PHRASES)
    trouble = watch(page)
    await expect(page.get_by_role("heading", name=module.lessons[0]["title"]).first).to_be_visible()
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text("Amina of the page")
    for number, phrase in enumerate(PHRASES):
        turn = page.locator(".turn.me").nth(number)
        await expect(turn).to_contain_text(phrase, timeout=40_000)
        answer = page.locator(f".turn.me >> nth={number} >> xpath=following-sibling::*")
        await expect(answer.first).to_contain_text(" ", timeout=15_000)
        if number == 0:  # the cited passage is highlighted in the lesson
            await expect(page.locator(".pas.cited").first).to_be_visible(timeout=15_000)
    await expect(page.locator(".cite").nth(1)).to_be_visible()
    await page.get_by_role("button", name="Leave the conversation").click()
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()
    assert trouble == []


async def test_typed_turn_lesson_change_and_back_button(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    module = course.modules[0]
    first, second = module.lessons[0], module.lessons[1]
    page = await fresh_page("Tomas of the page", module, first["id"])
    trouble = watch(page)
    await page.get_by_role("button", name="Start without a microphone").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text("Tomas of the page")
    box = page.get_by_label("Type to Bodh")
    await box.fill("What is machine learning?")
    await box.press("Enter")
    await expect(page.locator(".turn.me").last).to_contain_text("What is machine learning?")
    await expect(page.locator(".turn.bodh").last).to_contain_text("Machine learning is")
    await page.get_by_role("link", name=second["title"]).first.click()
    await page.wait_for_url(f"**lesson={second['id']}")
    await expect(page.locator(".turn.bodh").last).to_contain_text(second["title"])
    await page.go_back()
    await page.wait_for_url(f"**lesson={first['id']}")
    await expect(page.locator(".sheet .title")).to_be_focused()
    await expect(page.locator(".turn.bodh").last).to_contain_text(first["title"])
    assert trouble == []


async def test_signed_out_learner_returns_to_the_lesson_after_sign_in(
    open_browser: Callable[..., Any], stack: Any, course: Course
) -> None:
    browser = await open_browser()
    page = await (await browser.new_context(base_url=stack.url)).new_page()
    await page.goto(f"/v2/course/ml-intro/module/{course.modules[0].id}")
    await page.wait_for_url("**/auth/signin**")
    await page.get_by_label("Your name").fill("Late Learner")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/module/{course.modules[0].id}**")
    await agree_if_asked(page)


def watch(page: Page) -> list[str]:
    """Page errors, policy violations and requests to other hosts."""
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if "//127.0.0.1:" in request.url or request.url.startswith(("data:", "blob:"))
            else trouble.append(request.url)
        ),
    )
    page.on(
        "console",
        lambda message: (
            trouble.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    return trouble
