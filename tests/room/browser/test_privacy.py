"""Who hears the learner, withdrawn consent, and teachers who mute and remove learners."""

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
    nadir = await (await learner(account)).join_past_greeting(module.id, microphone=False)
    await expect(page.get_by_text(f"{account.name} is in this room.")).to_be_visible()
    await start_typed(page)
    await expect(page.get_by_text(f"{account.name} is here. Everyone")).to_be_visible()
    await nadir.leave()
    await expect(page.get_by_text("Only you and Bodh are here.")).to_be_visible()


async def test_teacher_mutes_removes_and_lets_back_a_learner(
    fresh_page: Callable[..., Any], sign_in: Callable[..., Any], course: Course
) -> None:
    module = course.modules[0]
    learner = await fresh_page("Odo who interrupts", module)
    await start_typed(learner)
    await expect(learner.get_by_role("button", name="Manage people")).to_have_count(0)
    teacher = await sign_in(learner.context.browser, "Tara", module.id, role="Teacher")
    await start_typed(teacher)
    manage = teacher.get_by_role("button", name="Manage people")
    await manage.click()
    people = teacher.get_by_role("dialog", name="People in this room")
    mute, unmute, remove, let_back = (
        people.get_by_role("button", name=label.format("Odo who interrupts"), exact=True)
        for label in ("Mute {}", "Unmute {}", "Remove {}", "Let back in {}")
    )
    muted = learner.get_by_text("Your teacher has muted you.")
    microphone = learner.get_by_role("button", name="Mute microphone", exact=True)

    await mute.press("Enter")
    await expect(muted).to_be_visible()
    await expect(unmute).to_be_focused()
    await learner.get_by_role("button", name="Unmute microphone").click()
    await expect(muted).to_be_visible()
    await expect(microphone).to_have_count(0)
    await unmute.press("Enter")
    await expect(muted).to_have_count(0)
    await learner.get_by_role("button", name="Unmute microphone").click()
    await expect(microphone).to_be_visible()

    await remove.press("Enter")
    sure = teacher.get_by_role("dialog", name="Remove Odo who interrupts?")
    await sure.get_by_role("button", name="Cancel").click()
    await expect(remove).to_be_focused()
    await remove.press("Enter")
    async with learner.expect_response("**/entry") as told:  # not by asking for a token
        await sure.get_by_role("button", name="Remove", exact=True).click()
    assert (await (await told.value).json())["refusal"] == "removed"
    await expect(learner.get_by_text("Your teacher has removed you")).to_be_visible()
    await expect(let_back).to_be_focused()
    async with learner.expect_response("**/api/livekit/token?*") as token:
        await learner.get_by_role("button", name="Start without a microphone").click()
    assert (await token.value).status == 403

    await let_back.press("Enter")
    await expect(people.get_by_text("Odo who interrupts can join again.")).to_be_visible()
    await expect(people.get_by_role("list")).to_be_focused()  # the learner's row is gone
    await learner.get_by_role("button", name="Start without a microphone").click()
    await expect(mute).to_be_visible()
    await teacher.keyboard.press("Escape")
    await expect(manage).to_be_focused()


async def test_withdrawn_consent_ends_the_conversation_and_is_asked_for_again(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Wanda who withdraws", course.modules[1])
    await start_typed(page)
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Settings")
    await expect(panel.get_by_text("Everything stays on this server.")).to_be_visible()
    withdraw = panel.get_by_role("button", name="Withdraw consent")
    await withdraw.press("Enter")
    sure = page.get_by_role("dialog", name="Withdraw your consent?")
    await expect(sure.get_by_text("Any conversation you are in ends at once")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(sure).to_have_count(0)
    await expect(withdraw).to_be_focused()  # the settings stay open, and nothing is withdrawn
    await withdraw.press("Enter")
    await sure.get_by_role("button", name="Withdraw consent").click()
    await expect(panel.get_by_label("Store what I say")).not_to_be_checked()
    await page.keyboard.press("Escape")
    nothing_stored = page.get_by_role("button", name="Agree without a transcript")
    await nothing_stored.click()
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()
    await expect(page.get_by_label("Store what I say")).not_to_be_checked()
