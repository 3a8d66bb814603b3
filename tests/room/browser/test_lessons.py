"""Changing the lesson while the tutor speaks, and two learners with different lessons."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import expect

from tests.room.browser.conftest import start_typed, type_to_tutor
from tests.room.conftest import Course


async def test_lesson_changes_while_the_tutor_speaks(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    module = course.modules[0]
    first, second = module.lessons[0], module.lessons[1]
    page = await fresh_page("Jonas who switches", module, first["id"])
    await start_typed(page)
    await type_to_tutor(page, "Summarise this lesson")
    await expect(page.locator(".agent .say b")).to_have_text("Speaking")
    await page.get_by_role("link", name=second["title"]).first.click()
    await expect(page.locator(".sheet .title")).to_have_text(second["title"])
    await expect(page.locator(".sheet .title")).to_be_focused()
    await expect(page.locator(".turn.bodh").last).to_contain_text(second["title"])
    await expect(page.locator(".agent .say b")).to_have_text("Listening", timeout=30_000)
    await type_to_tutor(page, "What is a vector?")
    await expect(page.locator(".turn.bodh").last).to_contain_text("vector")


async def test_second_learner_is_named_and_keeps_their_own_lesson(
    fresh_page: Callable[..., Any], sign_in: Callable[..., Any], course: Course
) -> None:
    module = course.modules[0]
    first, second = module.lessons[0], module.lessons[1]
    kim = await fresh_page("Kim the first", module, first["id"])
    await start_typed(kim)
    lea = await sign_in(kim.context.browser, "Lea the second", module.id, second["id"])
    await start_typed(lea)
    await type_to_tutor(lea, "What is a vector?")
    others = kim.locator(".turn.me", has_text="What is a vector?")
    await expect(others.locator(".by b")).to_have_text("Lea the second")
    await expect(kim.locator(".sheet .title")).to_have_text(first["title"])
    await expect(lea.locator(".sheet .title")).to_have_text(second["title"])


async def test_turn_that_arrives_before_its_speaker_is_known_is_shown(
    fresh_page: Callable[..., Any], course: Course, learner: Callable[..., Any]
) -> None:
    module = course.modules[0]
    page = await fresh_page("Lars who is there", module)
    await start_typed(page)
    newcomer = await (await learner(name="Mona")).join(module.id, microphone=False)
    await newcomer.room.local_participant.send_text("Hello to you", topic="lk.chat")
    words = page.locator(".turn.me", has_text="Hello to you")
    await expect(words.locator(".by b")).to_have_text(newcomer.account.name)


async def test_picture_of_a_lesson_is_shown_with_its_words(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    module = course.modules[1]
    page = await fresh_page("Pia who looks", module, module.lessons[0]["id"])
    picture = page.get_by_role("img", name="The loss of the toy model over twenty steps.")
    await picture.scroll_into_view_if_needed()
    await expect(picture).to_have_js_property("naturalWidth", 620)
