"""What screen readers announce: final turns once, interim words never."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, expect

from tests.room.browser.conftest import start_typed, type_to_tutor
from tests.room.conftest import Course

SPOKEN = "can you give me another example please"
# records what enters the live log, as a screen reader would announce it, and what is only drawn
NOTE = """
  window.heard = [];
  window.drawn = new Set();
  const silent = '[aria-hidden=true], [aria-live=off], .by';
  const spoken = (node) => {
    if (node.nodeType !== 1) return node.textContent;
    const copy = node.cloneNode(true);
    copy.querySelectorAll(silent).forEach((one) => one.remove());
    return copy.textContent;
  };
  const tell = (node) => {
    const one = node.nodeType === 1 ? node : node.parentElement;
    if (one?.closest('[role=log]') && !one.closest(silent)) window.heard.push(spoken(node).trim());
  };
  new MutationObserver((records) => {
    for (const { type, target, addedNodes } of records) {
      if (type === 'childList') addedNodes.forEach(tell);
      else if (type === 'characterData' || !target.ariaHidden) tell(target);
    }
    for (const one of document.querySelectorAll('.forming')) window.drawn.add(one.textContent);
  }).observe(document, {
    subtree: true, childList: true, characterData: true, attributeFilter: ['aria-hidden'],
  });
"""


async def test_final_turns_are_announced_once_and_interim_words_never(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Nora who listens", course.modules[0], phrases=[SPOKEN])
    await page.evaluate(NOTE)
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator(".forming")).to_be_visible(timeout=40_000)
    assert await heard_in_tree(page, await page.locator(".forming").inner_text()) == 0
    await expect(page.locator(".turn.me").first).to_contain_text(SPOKEN)
    await expect(page.locator(".forming")).to_have_count(0)
    assert await heard_in_tree(page, SPOKEN) == 1
    announced = await page.evaluate("window.heard")
    drawn = await page.evaluate("[...window.drawn]")
    assert drawn != []
    assert [words for words in announced if words and words != "Today"] == [SPOKEN]


async def heard_in_tree(page: Page, words: str) -> int:
    """How often the words occur in the accessibility tree."""
    devtools = await page.context.new_cdp_session(page)
    tree = await devtools.send("Accessibility.getFullAXTree")
    await devtools.detach()
    names = [
        node["name"]["value"]
        for node in tree["nodes"]
        if not node["ignored"] and node["role"]["value"] == "StaticText"
    ]
    return sum(words in name for name in names)


async def test_tutor_is_announced_by_sentence_if_the_learner_wants_it(
    fresh_page: Callable[..., Any], course: Course
) -> None:
    page = await fresh_page("Pia who is read to", course.modules[0])
    await page.request.patch("/api/me/settings", data={"readTutor": True})
    await page.reload()
    await page.evaluate(NOTE)
    await start_typed(page)
    await type_to_tutor(page, "What is a label?")
    await expect(page.locator(".agent .say b")).to_have_text("Speaking")
    await expect(page.locator(".agent .say b")).to_have_text("Listening", timeout=40_000)
    await expect(page.locator("[data-final=false]")).to_have_count(0)
    sentences = await page.locator(".turn .sentence").evaluate_all(
        "all => all.map((one) => one.firstChild.textContent)"
    )
    announced = [words for words in await page.evaluate("window.heard") if words]
    assert len(sentences) >= 3
    for sentence in sentences:
        assert sum(words.startswith(sentence) for words in announced) == 1
    parts = [words for words in announced if any(one.startswith(words) for one in sentences)]
    assert [words for words in parts if words not in sentences] == []
