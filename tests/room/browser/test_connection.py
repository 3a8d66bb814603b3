"""Another window, a reload, a refused microphone, a lost connection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, Route, expect

from harness.browser import GRANT_MICROPHONE
from harness.processes import frozen
from harness.stack import Stack
from tests.room.browser.conftest import start_typed, type_to_tutor
from tests.room.conftest import Course

AWAY_S = 10.0
LOST_MS = 30_000


async def test_newer_window_takes_over_the_conversation(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    first = await fresh_page("Farah of two windows", course.modules[0])
    tickets: list[str] = []
    first.on("request", lambda sent: tickets.append(sent.url) if "livekit/token" in sent.url else 0)
    await start_typed(first)
    second = await first.context.new_page()
    await second.goto(first.url)
    await second.get_by_role("button", name="Start without a microphone").click()
    await expect(first.get_by_role("heading", name="Open in another window")).to_be_visible()
    await type_to_tutor(second, "What is a label?")
    await expect(first.get_by_role("heading", name="Open in another window")).to_be_visible()
    assert len(tickets) == 1  # it did not rejoin by itself
    await first.get_by_role("button", name="Talk here instead").click()
    await expect(second.get_by_role("heading", name="Open in another window")).to_be_visible()
    await type_to_tutor(first, "What is machine learning?")


async def test_reload_returns_to_the_same_tutor(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Goran who reloads", course.modules[0])
    await start_typed(page)
    await type_to_tutor(page, "What is machine learning?")
    await page.reload()
    await page.get_by_role("button", name="Start without a microphone").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text("I am back, Goran who reloads")
    await type_to_tutor(page, "What is a label?")


async def test_connection_lost_for_ten_seconds_is_restored(
    fresh_page: Callable[..., Any], stack: Stack, course: Course
) -> None:
    page = await fresh_page("Hana of the weak line", course.modules[0])
    await start_typed(page)
    box = page.get_by_label("Type to Bodh")
    await box.fill("What is a vector?")

    async def type_both() -> None:
        await box.press("Enter")
        await box.fill("What is a label?")

    await media_server_away(stack, page, type_both)
    await expect(page.get_by_text("You\u2019re back")).to_be_visible(timeout=LOST_MS)
    await expect(box).to_have_value("What is a label?")
    asked = page.locator(".turn.me", has_text="What is a vector?")
    await expect(asked).to_have_count(1)
    answers = asked.locator("xpath=following-sibling::*")
    await expect(answers.first).to_contain_text(" ", timeout=LOST_MS)
    await expect(page.get_by_text("You\u2019re back")).to_be_hidden(timeout=LOST_MS)
    await type_to_tutor(page, "What is a label?")


async def media_server_away(
    stack: Stack, page: Page, while_lost: Callable[[], Awaitable[None]]
) -> None:
    """Freezes the media server until the page notices, for at least 10 s."""
    (server,) = stack.pids("livekit-server --config")
    stopped = asyncio.get_running_loop().time()
    with frozen(server):
        lost = page.get_by_text("Connection lost")
        await expect(lost).to_be_visible(timeout=LOST_MS)
        await expect(page.locator(".pas").first).to_be_visible()  # the lesson stays readable
        await while_lost()
        left = stopped + AWAY_S - asyncio.get_running_loop().time()
        await page.wait_for_timeout(1000 * max(0.0, left))
        await expect(lost).to_be_visible()


async def test_learner_who_refuses_the_microphone_can_type(
    open_browser: Callable[..., Any],
    sign_in: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    browser = await open_browser(without=GRANT_MICROPHONE)
    page = await sign_in(browser, "Ines without a microphone", module.id, permissions=())
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("heading", name="Your microphone is blocked")).to_be_visible()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Your microphone is blocked")).to_be_visible()
    await page.get_by_role("button", name="Continue by typing").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text("Ines without a microphone")
    await type_to_tutor(page, "What is a label?")


async def test_turn_typed_before_the_tutor_joins_is_answered(
    open_browser: Callable[..., Any],
    sign_in: Callable[..., Any],
    stack: Stack,
    course: Course,
    fresh_room: Callable[..., Any],
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    browser = await open_browser()
    workers = stack.pids("agent start")
    with frozen(*workers):
        page = await sign_in(browser, "Olga who is early", module.id)
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.locator(".agent .say")).to_have_text(
            "Your tutor is joiningYou can start speaking."
        )
        await expect(page.get_by_text("While you wait: read passage 1")).to_be_visible()
        await page.get_by_label("Type to Bodh").fill("What is a label?")
        await page.get_by_label("Type to Bodh").press("Enter")
        await expect(page.locator(".turn.me")).to_contain_text("What is a label?")
    answer = page.locator(".turn.bodh", has_text="label")
    await expect(answer).to_be_visible(timeout=LOST_MS)


async def test_turns_typed_while_connecting_are_answered(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Paul of the slow line", course.modules[0])
    typed = asyncio.Event()

    async def slowly(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await page.route("**/api/livekit/token**", slowly)
    await page.get_by_role("button", name="Start without a microphone").click()
    await expect(page.locator(".agent .say b")).to_have_text("Connecting")
    box = page.get_by_label("Type to Bodh")
    for question in ("What is a vector?", "What is a label?"):
        await box.fill(question)
        await box.press("Enter")
    await expect(page.locator(".turn.me")).to_have_count(2)
    await expect(box).to_have_value("")
    typed.set()
    answer = page.locator(".turn.bodh", has_text="label")
    await expect(answer).to_be_visible(timeout=LOST_MS)
    await expect(page.locator(".turn.me")).to_have_count(2)
