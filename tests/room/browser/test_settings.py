"""Settings take effect in a running conversation."""

import zipfile
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, expect

from tests.room.browser.conftest import start_typed
from tests.room.conftest import Course

SPEAKING = ".wave[data-s=speaking]"


async def test_settings_take_effect_in_the_room(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Selma of the settings", course.modules[0])
    await start_typed(page)
    turns, box = page.locator(".turns"), page.get_by_label("Type to Bodh")
    await expect(turns).to_have_css("font-size", "16px")
    await expect(page.locator(".turn.bodh").first).to_have_attribute("aria-live", "off")
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Settings")
    await panel.get_by_label("Largest").check()
    await panel.get_by_label("Dark", exact=True).check()
    for switch in ("words with the screen reader", "Single-key shortcuts"):
        await panel.get_by_label(switch).click()
    await panel.get_by_label("Voice on").click()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(turns).to_have_css("font-size", "24px")
    await expect(page.locator("html")).to_have_css("color-scheme", "dark")
    await expect(page.locator(".turn.bodh").first).not_to_have_attribute("aria-live", "off")
    await expect(page.get_by_role("button", name="Voice off, Bodh is silent")).to_be_visible()
    await page.wait_for_function(
        "[...document.querySelectorAll('audio')].some((one) => one.srcObject && one.volume === 0)"
    )
    await page.locator("#lesson").focus()
    await page.keyboard.press("/")
    await expect(page.locator("#lesson")).to_be_focused()
    await page.reload()  # stored by the server
    await expect(page.locator("html")).to_have_css("color-scheme", "dark")
    await start_typed(page)
    await expect(turns).to_have_css("font-size", "24px")
    await expect(page.get_by_role("button", name="Voice off, Bodh is silent")).to_be_visible()
    await page.keyboard.press("/")
    await expect(box).not_to_be_focused()


async def test_learner_downloads_their_data_and_sees_who_read_their_words(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Dalia of the data", course.modules[0])
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Settings")
    await expect(panel.get_by_text("Nobody else has read your words.")).to_be_visible()
    async with page.expect_download() as started:
        await panel.get_by_role("link", name="Download my data").click()
    download = await started.value
    archive = zipfile.ZipFile(await download.path())
    assert archive.testzip() is None
    assert "Dalia of the data" in archive.read("index.html").decode()


async def test_tutor_speaks_at_the_chosen_speed(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Rana of the rate", course.modules[1])
    await start_typed(page)
    await page.keyboard.press("Control+.")
    normal = await words_a_second(page, "What is gradient descent?")
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("combobox", name="Speaking speed").select_option("0.75")
    await page.keyboard.press("Escape")
    slow = await words_a_second(page, "What is gradient descent?")
    assert 0.6 <= slow / normal <= 0.9


async def words_a_second(page: Page, question: str) -> float:
    """Of the answer to a typed question."""
    await expect(page.locator(SPEAKING)).to_have_count(0)
    before = await page.locator(".turn.me").count()
    box = page.get_by_label("Type to Bodh")
    await box.fill(question)
    await box.press("Enter")
    await expect(page.locator(".turn.me")).to_have_count(before + 1)
    await expect(page.locator(SPEAKING)).to_have_count(1)
    begun = await page.evaluate("performance.now()")
    await expect(page.locator(SPEAKING)).to_have_count(0, timeout=60_000)
    took_s: float = (await page.evaluate("performance.now()") - begun) / 1000
    answer = page.locator(".turn.me").last.locator("xpath=following-sibling::*")
    return len((await answer.first.inner_text()).split()) / took_s
