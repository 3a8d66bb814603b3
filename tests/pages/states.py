"""Every page and state under test: its entry in web/client/states, and the steps to open it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page, expect

Steps = Callable[[Page], Awaitable[None]]
PHONE, DRAWER = 768, 1100  # px: from these widths on, there are no tabs, no drawer


@dataclass(frozen=True)
class State:
    """`entry` is a name in web/client/states."""

    name: str
    entry: str
    steps: Steps | None = None
    below: int = 10_000  # px of width; wider screens do not have this state


async def open_settings(page: Page) -> None:
    await page.get_by_role("button", name="Settings").click()


async def switch_storing_off(page: Page) -> None:
    await open_settings(page)
    await page.get_by_role("switch", name="Store what I say").click()
    await page.get_by_text("still follows your earlier choice").wait_for()


async def ask_to_withdraw(page: Page) -> None:
    await open_settings(page)
    await page.get_by_role("button", name="Withdraw consent").click()


async def open_export(page: Page) -> None:
    await page.get_by_role("button", name="Export").click()


async def ask_to_erase(page: Page) -> None:
    await open_export(page)
    await page.get_by_role("menuitem", name="Erase what I said").click()


async def open_lessons(page: Page) -> None:
    await page.get_by_role("button", name="Course and lessons").click()


async def open_debug(page: Page) -> None:
    await page.keyboard.press("Control+Shift+D")
    await page.locator(".drawer tbody tr").first.wait_for()


async def open_people(page: Page) -> None:
    await page.get_by_role("button", name="Manage people").click()
    await page.locator(".people li, .trouble:not(:empty)").first.wait_for()


async def ask_to_remove(page: Page) -> None:
    await open_people(page)
    await page.get_by_role("button", name="Remove Tomás").click()


async def turn_to_lesson(page: Page) -> None:
    await page.get_by_role("tab", name="Lesson").click()


async def send_no_name(page: Page) -> None:
    await page.get_by_role("button", name="Sign in").click()


ENTRIES = (
    "sign-in",
    "sign-in-provider",
    "sign-in-blocked",
    "sign-in-none",
    "courses",
    "courses-none",
    "courses-failed",
    "course",
    "course-store-later",
    "room-before",
    "room-before-failed",
    "room-before-unstored",
    "room-consent",
    "room-consent-providers",
    "room-consent-failed",
    "room-guardian",
    "room-before-people",
    "room-before-private",
    "room-refused",
    "room-no-microphone",
    "room-elsewhere",
    "room-connecting",
    "room-coming",
    "room-coming-typed",
    "room-listening",
    "room-measured",
    "room-waiting",
    "room-thinking",
    "room-speaking",
    "room-sent-too-much",
    "room-cut-off",
    "room-company",
    "room-staff",
    "room-staff-failed",
    "room-private",
    "room-providers",
    "room-not-kept",
    "room-held",
    "room-offline",
    "room-lost",
    "room-back",
    "room-lesson-failed",
    "transcripts",
    "transcripts-none",
    "transcript",
    "transcript-found",
    "error-not-found",
    "error-media",
    "error-unknown",
)
STATES = (
    *(State(name, name) for name in ENTRIES),
    State("sign-in-no-name", "sign-in", send_no_name),
    State("settings", "course", open_settings),
    State("settings-later", "course-store-later", switch_storing_off),
    State("settings-withdraw", "course", ask_to_withdraw),
    State("room-settings", "room-providers", open_settings),
    State("room-lesson-tab", "room-listening", turn_to_lesson, PHONE),
    State("room-drawer", "room-listening", open_lessons, DRAWER),
    State("room-debug", "room-measured", open_debug),
    State("room-people", "room-staff", open_people),
    State("room-people-remove", "room-staff", ask_to_remove),
    State("room-people-failed", "room-staff-failed", open_people),
    State("transcript-export", "transcript", open_export),
    State("transcript-erase", "transcript", ask_to_erase),
)


async def open_state(page: Page, url: str, state: State) -> None:
    """The page must already have its size. Asserts that the entry is served."""
    response = await page.goto(f"{url}/?state={state.entry}")
    assert response is not None
    assert response.ok, response.url
    await page.locator("h1, h2").first.wait_for()
    await expect(page.locator("p.quiet[role=status]")).to_have_count(0)  # everything is loaded
    if state.steps is not None:
        await state.steps(page)
