"""Course page, transcripts and settings in Chromium, on the real application."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
import webvtt
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from db import tenant_tx
from db.attendance import upsert_participants
from db.consent_texts import transcript_text
from db.stays import ParticipantRow
from db.transcripts import insert_segments
from tests.web.conftest import School
from tests.web.test_transcripts import segment

SMALL_TARGETS = """[...document.querySelectorAll('button, a, select, summary, label.switch')]
  .filter(e => e.checkVisibility() && !e.matches('.skip') && !e.closest('.tr-side'))
  .map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
  .filter(([, r]) => r.width > 0 && (r.width < 43.5 || r.height < 43.5)).map(([html]) => html)"""
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"
SAID = [
    ("Amina", "Why do we subtract the gradient?", 1, 2, 0),
    (None, "We subtract it to go downhill.", 3, 5, 0),
    (None, "Labels are right answers.", 50, 51, 1),
]


@pytest.fixture
async def session_id(school: School) -> str:
    """Amina's conversation about two lessons, and her progress in the course."""
    session_id: str = (await school.open("Amina"))["sessionId"]
    amina = await school.account("Amina")
    stay = ParticipantRow(UUID(session_id), "PA_1", amina.id, school.clock.now, None)
    said = []
    for number, (name, text, start, end, index) in enumerate(SAID):
        one = segment(school, session_id, number, amina if name else None, text, start, end)
        reply = None if name or index else "s0"
        said.append(replace(one, lesson_id=school.lessons[0][index].id, in_reply_to=reply))
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(db, school.tenant.id, [stay])
        await insert_segments(db, school.tenant.id, said)
    for lesson, body in (
        (school.lessons[0][0], {"completed": True}),
        (school.lessons[1][0], {"lastPosition": 134}),
    ):
        school.clock.pass_(seconds=1)
        path = f"/api/lessons/{lesson.id}/progress"
        await school.client.put(path, headers=school.auth("Amina"), json=body)
    return session_id


@pytest.fixture
async def browser(school: School, chromium: Browser) -> AsyncIterator[Any]:
    """Opens pages as Amina; none may raise an error."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(school.app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    troubles: list[str] = []
    async with AsyncExitStack() as stack:

        async def show(width: int = 1280, height: int = 800, theme: Any = "light") -> Page:
            context = await chromium.new_context(
                base_url=url,
                viewport={"width": width, "height": height},
                color_scheme=theme,
                locale="en-GB",
            )
            stack.push_async_callback(context.close)
            await context.request.post("/auth/sign-in", headers=school.auth("Amina"))
            page = await context.new_page()
            page.on("pageerror", lambda error: troubles.append(str(error)))
            return page

        yield show
    assert troubles == []
    server.should_exit = True
    await serving


async def test_course_page_continues_where_the_learner_left_off(
    school: School, session_id: str, browser: Any
) -> None:
    page = await browser()
    await page.goto(f"/?course={school.course.id}")
    lesson = school.lessons[1][0]
    box = page.locator(".resume")
    await expect(box).to_contain_text("Lesson 4, last opened today, at 2:14 in the video")
    await expect(page.locator(".sum")).to_contain_text("1 of 6 lessons")
    marks = page.locator("details").nth(1).locator("li").first
    await expect(marks).to_contain_text("in progress")
    link = page.get_by_role("link", name="Continue where you left off")
    await expect(link).to_have_attribute(
        "href",
        f"/v2/course/{school.course.id}/module/{lesson.module_id}?lesson={lesson.id}",
    )


async def test_search_links_to_the_words_and_url_to_a_segment(
    school: School, session_id: str, browser: Any
) -> None:
    page = await browser()
    await page.goto("/transcripts")
    await page.get_by_label("Search transcripts").fill("subtracting")
    found = page.locator(".results a")
    await expect(found).to_have_count(2)
    await found.nth(1).click()
    await expect(page.locator("li.on")).to_contain_text("We subtract it to go downhill.")
    await expect(page.locator("mark")).to_have_text(["subtract", "subtract"])
    await expect(page.locator("mark.cur")).to_have_count(1)
    await page.get_by_role("button", name="Only what I said").click()
    await expect(page.locator(".find [role=status]")).to_have_text("1 of 1")
    await expect(page.locator(".lines li")).to_have_count(1)
    await page.goto(f"/transcripts/{session_id}#segment-s2")
    await expect(page.locator("li.on")).to_contain_text("Labels are right answers.")
    await expect(page.locator("li.on")).to_be_in_viewport()


async def test_exports_agree_and_erasing_asks_for_confirmation(
    school: School, session_id: str, browser: Any, tmp_path: Path
) -> None:
    page = await browser()
    await page.goto(f"/transcripts/{session_id}")
    files = {}
    for name in ("Captions", "Plain text", "All data"):
        await page.get_by_role("button", name="Export").press("Enter")
        async with page.expect_download() as coming:
            await page.get_by_role("menuitem", name=name).press("Enter")
        files[name] = tmp_path / (await coming.value).suggested_filename
        await (await coming.value).save_as(files[name])
    texts = [text for _, text, *_ in SAID]
    assert [cue.text for cue in webvtt.read(str(files["Captions"])).captions] == texts
    assert [s["text"] for s in json.loads(files["All data"].read_text())["segments"]] == texts
    assert [x.split(": ", 1)[1] for x in files["Plain text"].read_text().splitlines()] == texts

    async def ask() -> None:
        await page.get_by_role("button", name="Export").press("Enter")
        await page.keyboard.press("End")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog", name="Erase what I said")).to_be_visible()

    await ask()
    await page.keyboard.press("Escape")
    await expect(page.locator(".lines li")).to_have_count(3)
    await ask()
    await page.get_by_role("button", name="Erase").click()
    await expect(page.get_by_text("What you said here has been erased.")).to_be_visible()
    await expect(page.locator(".lines li")).to_have_count(1)
    assert await school.rows("select id from transcript_segments") == [("s2",)]


async def test_settings_apply_at_once_and_after_a_reload(
    school: School, session_id: str, browser: Any
) -> None:
    page = await browser()
    await page.goto("/transcripts")
    await page.get_by_role("button", name="Settings").click()
    store = page.get_by_label("Store what I say")
    await expect(store).to_be_checked()
    await store.uncheck()
    await page.get_by_role("combobox", name="Speaking speed").select_option("1.25")
    await page.get_by_role("radio", name="Largest").check()
    async with page.expect_response(lambda one: "dark" in (one.request.post_data or "")):
        await page.get_by_role("radio", name="Dark").check()
    await page.keyboard.press("Escape")
    await page.reload()
    html = page.locator("html")
    await expect(html).to_have_attribute("data-theme", "dark")
    await expect(html).to_have_attribute("data-captions", "largest")
    stored = await school.get("/api/me/settings", "Amina")
    assert (stored["storeWords"], stored["speechRate"]) == (False, 1.25)


async def test_switching_storing_on_agrees_to_the_text_beside_it(
    school: School, session_id: str, browser: Any
) -> None:
    page = await browser()
    await page.goto("/transcripts")
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Settings")
    text = transcript_text()
    await expect(panel.get_by_text(text.text.replace("\n", " "))).to_be_visible()
    switch = panel.get_by_role("switch", name="Store what I say")
    await expect(switch).to_be_checked()
    for turn in (switch.uncheck, switch.check):
        async with page.expect_response(lambda one: "storeWords" in (one.request.post_data or "")):
            await turn()
    rows = await school.rows(
        "select text_hash, withdrawn_at is null from consents where kind = 'transcript'"
        " order by withdrawn_at nulls last"
    )
    assert [tuple(row) for row in rows] == [(text.text_hash, False), (text.text_hash, True)]
    assert (await school.get("/api/me/settings", "Amina"))["storeWords"] is True


# tests/pages checks these pages in every size and theme, with invented data
@pytest.mark.parametrize(("width", "height", "theme"), [(1280, 800, "light"), (390, 844, "dark")])
async def test_every_page_is_accessible_and_fits(
    school: School, session_id: str, browser: Any, width: int, height: int, theme: str
) -> None:
    page = await browser(width, height, theme)
    for path, ready in (
        (f"/?course={school.course.id}", ".resume"),
        ("/transcripts", ".talks a"),
        (f"/transcripts/{session_id}?q=subtract#segment-s1", "mark.cur"),
    ):
        await page.goto(path)
        await page.locator(ready).first.wait_for()
        await inspect(page, width)
    await page.get_by_role("button", name="Export").click()
    await inspect(page, width)
    await page.get_by_role("menuitem", name="Erase what I said").click()
    await inspect(page, width)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Settings").click()
    await inspect(page, width)


async def inspect(page: Page, width: int) -> None:
    """No serious axe violations, no sideways scrolling, and 44 px targets on phones."""
    found = (await Axe().run(page)).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert not await page.evaluate(SIDEWAYS)
    if width < 768:
        assert await page.evaluate(SMALL_TARGETS) == []
