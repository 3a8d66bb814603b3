"""Words still to come, words cut off, formulas and the debug drawer."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import expect

from tests.room.conftest import Course


async def test_words_to_come_are_pale_and_struck_through_after_a_stop(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Nadia of the words", course.modules[1])
    formula = page.get_by_role("group", name="Formula 1", exact=True)
    await expect(formula.locator("math mfrac")).to_be_visible()
    await expect(formula.locator(".tag")).to_have_text("(1)")
    await page.get_by_role("button", name="Start without a microphone").click()
    turn = page.locator(".turn.bodh").first
    await expect(turn.locator("span.tocome").first).to_contain_text(" ")
    await page.keyboard.press("Control+.")
    await expect(turn).to_contain_text("cut off here")
    await expect(turn.locator("s.tocome")).to_contain_text(" ")
    await expect(turn.locator("span.tocome")).to_have_count(0)


async def test_debug_drawer_shows_events_latency_and_attributes_but_no_secrets(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Debora of the drawer", course.modules[0])
    tokens: list[str] = []

    async def keep(response: Any) -> None:
        if "/api/livekit/token" in response.url:
            tokens.append((await response.json())["participant_token"])

    page.on("response", keep)
    await page.get_by_role("button", name="Start without a microphone").click()
    await expect(page.locator(".turn.bodh").first).to_contain_text("Debora")
    box = page.get_by_label("Type to Bodh")
    await box.fill("What is machine learning?")
    await box.press("Enter")
    await box.press("Control+Shift+D")
    drawer = page.get_by_role("complementary", name="Debug")
    await expect(drawer).to_be_focused()
    await expect(drawer.get_by_text("lk.agent.state speaking").first).to_be_visible()
    await expect(drawer.locator(".attr")).to_contain_text("bodh.models")
    await expect(drawer.locator(".attr")).to_contain_text("quality")
    await expect(drawer.get_by_text("data answer.planned").first).to_be_visible()
    answer = page.locator(".turn.bodh").last
    await expect(answer).to_contain_text("Machine learning is")
    # an answer that is cut before its first sound has no latency
    await expect(answer.locator("span.tocome").first).not_to_contain_text("Machine")
    await page.keyboard.press("Control+.")
    await expect(drawer.locator(".lat tbody tr").first).to_be_visible()
    shown = await drawer.inner_text()
    assert tokens
    assert not any(token in shown for token in tokens)
    assert "Debora" not in shown
    assert "achine learning" not in shown
    await page.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()
    await expect(box).to_be_focused()
