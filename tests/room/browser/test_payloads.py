"""Hostile texts wherever the page shows text: none runs or fetches anything, all are visible."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from livekit import rtc
from playwright.async_api import BrowserContext, Dialog, Page, Request, expect

from harness.learner import Account, Learner
from harness.stack import ROOT, Stack
from tests.room.browser.conftest import leave, start_typed
from tests.room.browser.payloads import RUN, payloads
from tests.soak import SOAK

COUNT = 500 if SOAK else 50
DOORS = 5
COURSE = "hostile"
LONGEST_NAME = 80


@dataclass
class Harm:
    """Scripts that ran, dialogs that opened, requests to other hosts."""

    ran: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    async def watch(self, context: BrowserContext) -> None:
        await context.expose_function("pwn", lambda: self.ran.append("script"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)

    def _dialog(self, dialog: Dialog) -> None:
        self.ran.append(dialog.message)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(request.url)


async def test_no_text_runs_or_fetches_anything(
    open_browser: Callable[..., Any], stack: Stack, rows: asyncpg.Connection, tmp_path: Path
) -> None:
    every = payloads(COUNT)
    names, titles, typed, heard, kept = (every[door::DOORS] for door in range(DOORS))
    import_course(stack, tmp_path / COURSE, titles)
    browser = await open_browser()
    context = await browser.new_context(base_url=stack.url)
    harm = Harm()
    await harm.watch(context)
    page = await context.new_page()
    await the_counters_count(page, harm)
    await show_names(page, names)
    await show_titles(page, titles)
    session_id = await show_talk(page, stack, typed, heard)
    await show_transcript(page, rows, session_id, kept)
    assert (harm.ran, harm.foreign) == ([], [])


async def the_counters_count(page: Page, harm: Harm) -> None:
    """Both counters notice a page that renders text as markup."""
    async with page.expect_event("requestfailed"):
        await page.set_content(f"<img src=x: onerror={RUN}><img src=http://foreign.example/a.png>")
    await page.wait_for_function("document.images[0].complete")
    assert harm.ran == ["script"]
    assert harm.foreign != []
    harm.ran.clear()
    harm.foreign.clear()


def import_course(stack: Stack, folder: Path, titles: list[str]) -> None:
    """Imports a course with hostile titles, descriptions and passages into its own tenant."""
    module = folder / "01-module"
    module.mkdir(parents=True)
    front = f"---\ncourseId: {COURSE}\nslug: {COURSE}\ntitle: {json.dumps(titles[0])}\n---\n\n"
    (folder / "course.md").write_text(f"{front}About: {titles[0]}\n")
    (module / "module.md").write_text(f"---\ntitle: {json.dumps(titles[0])}\n---\n")
    passages = "\n\n".join(f"Passage {title}" for title in titles)
    for number, title in enumerate(titles, start=1):
        front = f"---\ntitle: {json.dumps(title)}\ndescription: {json.dumps(title)}\n---\n\n"
        (module / f"{number:03}-lesson-{number}.md").write_text(front + passages + "\n")
    subprocess.run(
        [sys.executable, "-m", "db", "import", str(folder), "--tenant", COURSE],
        cwd=ROOT,
        env=stack.environment,
        check=True,
    )


async def sign_in(page: Page, name: str) -> None:
    body = {"name": name, "tenant": COURSE}
    answer = await page.request.post("/auth/dev-login", data=body)
    assert answer.ok, await answer.text()


async def show_names(page: Page, names: list[str]) -> None:
    for name in names:
        await sign_in(page, name[:LONGEST_NAME])
        await page.goto("/transcripts")
        await expect(page.locator(".who .name")).to_have_text(name[:LONGEST_NAME].strip())


async def show_titles(page: Page, titles: list[str]) -> None:
    """On the course page, and as titles and passages in the room."""
    await page.goto(f"/?course={COURSE}")
    await expect(page.locator("h1")).to_have_text(titles[0])
    shown = await page.locator(".rows a").all_inner_texts()
    assert [" ".join(one.split()) for one in shown] == [" ".join(one.split()) for one in titles]
    await page.locator(".rows a").first.click()
    await expect(page.locator(".pas")).to_have_count(len(titles))
    await expect(page.locator(".tree .les")).to_have_count(len(titles))


async def show_talk(page: Page, stack: Stack, typed: list[str], heard: list[str]) -> str:
    """Another learner sends typed turns and captions to the learner on the page."""
    name = typed[0][:LONGEST_NAME]
    await start_typed(page)
    account = await Account(stack.url, name, tenant=COURSE).sign_in()
    module = (await account.get(f"/api/courses/{COURSE}"))["modules"][0]["id"]
    query = {"courseId": COURSE, "moduleId": module}
    ticket = (await account.http.post("/api/livekit/token", params=query, json={})).json()
    other = await Learner(account).join_with_ticket(ticket, microphone=False)
    to = [one.identity for one in other.room.remote_participants.values() if is_learner(one)]
    assert len(to) == 1
    for text in typed:
        await other.room.local_participant.send_text(
            text, topic="lk.chat", destination_identities=to
        )
    for number, text in enumerate(heard):
        await other.room.local_participant.send_text(
            text,
            topic="lk.transcription",
            destination_identities=to,
            attributes={"lk.segment_id": f"s{number}", "lk.transcription_final": "true"},
        )
    for text in (*typed, *heard):
        await expect(page.locator(".turn.me", has_text=text).first).to_be_visible()
    await expect(page.locator(".turn.me .by b").first).to_have_text(name.strip())
    session_id: str = ticket["session_id"]
    await other.leave()
    await account.close()
    return session_id


def is_learner(participant: rtc.RemoteParticipant) -> bool:
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD


async def show_transcript(
    page: Page, rows: asyncpg.Connection, session_id: str, kept: list[str]
) -> None:
    """Stored turns with their names, in the transcript and in search results."""
    await rows.executemany(
        """insert into transcript_segments (tenant_id, session_id, id, identity, name, role, source,
             text, started_at, ended_at, epoch, local_seq)
           select tenant_id, id, 'hostile-' || $2::bigint, 'a_x', $3, 'tutor', 'voice',
             $3::text || ' planted', now(), now(), 1, $2::bigint
           from sessions where id = $1""",
        [(session_id, number, text) for number, text in enumerate(kept)],
    )
    await leave(page)
    await page.goto(f"/transcripts/{session_id}")
    for text in kept:
        await expect(page.locator(".lines p", has_text=f"{text} planted")).to_be_visible()
    await page.get_by_label("Search transcripts").fill("planted")
    await expect(page.locator(".lines mark").first).to_have_text("planted")
    await page.goto("/transcripts")
    await page.get_by_label("Search transcripts").fill("planted")
    await expect(page.locator(".results li")).not_to_have_count(0)
