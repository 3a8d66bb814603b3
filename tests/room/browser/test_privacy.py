"""The page says who hears the learner, and ends the conversation when consent is withdrawn."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import expect

from tests.room.browser.conftest import start_typed
from tests.room.conftest import Course


async def test_learner_knows_who_else_hears_them_before_joining_and_while_there(
    fresh_page: Callable[..., Any],
    sign_in: Callable[..., Any],
    learner: Callable[..., Any],
    person: Callable[..., Any],
    course: Course,
) -> None:
    module = course.modules[0]
    page = await fresh_page("Petra who asks", module)
    await expect(page.get_by_text("Nobody else is in this room.")).to_be_visible()
    account = await person("Nadir who listens")
    nadir = await (await learner(account)).join_and_settle(module.id, microphone=False)
    await expect(page.get_by_text(f"{account.name} is in this room.")).to_be_visible()
    await start_typed(page)
    await expect(page.get_by_text(f"{account.name} is here. Everyone")).to_be_visible()
    await nadir.leave()
    await expect(page.get_by_text("Only you and Bodh are here.")).to_be_visible()


async def test_withdrawn_consent_ends_the_conversation_and_is_asked_for_again(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Wanda who withdraws", course.modules[1])
    await start_typed(page)
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Settings")
    await expect(panel.get_by_text("Everything stays on this server.")).to_be_visible()
    await panel.get_by_role("button", name="Withdraw consent").click()
    await expect(panel.get_by_label("Store what I say")).not_to_be_checked()
    await page.keyboard.press("Escape")
    nothing_stored = page.get_by_role("button", name="Agree without a transcript")
    await nothing_stored.click()
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()
    await expect(page.get_by_label("Store what I say")).not_to_be_checked()
