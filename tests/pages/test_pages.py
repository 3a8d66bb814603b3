"""Every page and state: accessible, in both themes, in every size, within the security policy."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, ConsoleMessage, Error, Page

from tests.pages.browser import still_page
from tests.pages.states import STATES, State, open_state

POLICY = "Security Policy"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
AXE_SIZES = ((1280, 800), (390, 844))
TOUCH_SIZES = ((320, 640), (390, 844))
SIZES = (*TOUCH_SIZES, (640, 400), (768, 1024), (1280, 800))
WIDE = """() => {
  const wide = [document.scrollingElement, ...document.querySelectorAll('body *')].filter((one) => {
    if (one.matches('.code, input, textarea, select') || one.closest('.vh')) return false;
    const scrolls = ['auto', 'scroll'].includes(getComputedStyle(one).overflowX);
    return (scrolls || one === document.scrollingElement) && one.scrollWidth > one.clientWidth;
  });
  const edge = document.documentElement.clientWidth + 0.5;
  const cut = [...document.querySelectorAll('body *')].filter((one) =>
    !one.closest('.code, .vh, svg, .where') && one.checkVisibility({ visibilityProperty: true })
      && one.getBoundingClientRect().right > edge && one.getBoundingClientRect().width > 0);
  return [...wide, ...cut].map((one) => `${one.tagName} ${one.className}`);
}"""
SMALL = """() => {
  const offered = 'a[href], button, input, select, textarea, summary, [role=menuitem]';
  const words = (one) => one.textContent.trim().length;
  const inSentence = (one) => one.matches('p a') && words(one.closest('p')) > words(one);
  return [...document.querySelectorAll(offered)].filter((one) => {
    if (!one.checkVisibility({ visibilityProperty: true }) || one.closest('[inert]')) return false;
    if (inSentence(one) || one.matches('.skip')) return false;
    const box = (one.closest('label') ?? one).getBoundingClientRect();
    return box.width < 43.9 || box.height < 43.9;
  }).map((one) => {
    const box = (one.closest('label') ?? one).getBoundingClientRect();
    return `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 30)} `
      + `${Math.round(box.width)}x${Math.round(box.height)}`;
  });
}"""


@dataclass(frozen=True)
class Opened:
    """A state in a page, and the errors since it was opened."""

    state: State
    page: Page
    trouble: list[str]

    async def sizes(self, sizes: Iterable[tuple[int, int]]) -> AsyncIterator[tuple[int, int]]:
        """Sets each size at which the state exists."""
        for width, height in sizes:
            if width < self.state.below:
                await self.page.set_viewport_size({"width": width, "height": height})
                yield width, height


@pytest.fixture(scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """One page for all states: a new one for each would load the client without any cache."""
    async with still_page(browser, 1280, 800) as page:
        yield page


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.name)
async def opened(
    request: pytest.FixtureRequest, states_url: str, page: Page
) -> AsyncIterator[Opened]:
    state: State = request.param
    trouble: list[str] = []

    def note_error(error: Error) -> None:
        trouble.append(str(error))

    def note_violation(line: ConsoleMessage) -> None:
        if POLICY in line.text:
            trouble.append(line.text)

    page.on("pageerror", note_error)
    page.on("console", note_violation)
    await page.set_viewport_size({"width": min(1280, state.below - 1), "height": 800})
    await page.emulate_media(color_scheme="light")
    await open_state(page, states_url, state)
    yield Opened(state, page, trouble)
    page.remove_listener("pageerror", note_error)
    page.remove_listener("console", note_violation)
    await page.evaluate("localStorage.clear()")


async def test_axe_finds_nothing_serious(opened: Opened) -> None:
    found = []
    async for width, _ in opened.sizes(AXE_SIZES):
        for theme in THEMES:
            await opened.page.emulate_media(color_scheme=theme)
            # of all rules, only contrast depends on the theme
            only = ("color-contrast",) if theme == "dark" else ()
            found += [f"{width} {theme}: {one}" for one in await violations(opened.page, only)]
    assert found == []


async def violations(page: Page, only: Sequence[str] = ()) -> list[str]:
    """Serious and critical violations, of some rules or of all."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    chosen = {"runOnly": list(only)} if only else {}
    options = {"resultTypes": ["violations"], **chosen}
    result = await page.evaluate("options => axe.run(options)", options)
    return [
        f"{rule['id']} {node['target']} {node['failureSummary']}"
        for rule in result["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


async def test_nothing_scrolls_sideways(opened: Opened) -> None:
    found = []
    async for width, height in opened.sizes(SIZES):
        found += [f"{width}x{height}: {one}" for one in await opened.page.evaluate(WIDE)]
    assert found == []


async def test_touch_targets_are_large_enough(opened: Opened) -> None:
    found = []
    async for width, height in opened.sizes(TOUCH_SIZES):
        found += [f"{width}x{height}: {one}" for one in await opened.page.evaluate(SMALL)]
    assert found == []


async def test_page_has_no_errors_and_no_policy_violations(opened: Opened) -> None:
    assert opened.trouble == []


PLANT = """() => {
  document.body.insertAdjacentHTML('beforeend', '<button id="planted"></button>');
  document.getElementById('planted').setAttribute('aria-hidden', 'false');
  const style = document.getElementById('planted').style;
  style.setProperty('inline-size', '200vw');
  style.setProperty('block-size', '20px');
}"""


async def test_checks_notice_planted_faults(states_url: str, browser: Browser) -> None:
    async with still_page(browser, 390, 844) as page:
        await open_state(page, states_url, State("sign-in", "sign-in"))
        await page.evaluate(PLANT)
        nameless = [one for one in await violations(page) if "#planted" in one]
        assert len(nameless) == 1
        assert any(one.startswith("HTML") for one in await page.evaluate(WIDE))
        assert [one for one in await page.evaluate(SMALL) if one.endswith("780x20")] != []
