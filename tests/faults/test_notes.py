"""A disk that refuses the spool: entries wait in memory, then are written in order."""

import asyncio
import ctypes
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import prompts
from agent.durable import spool_writer
from agent.durable.spool import Entry, Spool, write_probe
from agent.durable.spool_writer import SpoolWriter
from harness.disk import (
    MS_REMOUNT,
    fill_disk,
    may_mount,
    mounted_small_disk,
    run_in_own_namespace,
)
from harness.stack import Stack
from tests.room.conftest import Course

MS_RDONLY = 1
NAMED = "tests/faults/test_notes.py::{}"
TENANT, SESSION = uuid4(), uuid4()
WORDS = "x" * 3000


def entry(number: int) -> Entry:
    return Entry(TENANT, SESSION, "segment", f"1-{number}", {"id": f"1-{number}", "text": WORDS})


async def kept(spool: Spool) -> list[str]:
    return [one.key for one in await spool.list_waiting(10_000)]


async def next_change(writer: SpoolWriter) -> bool:
    """The next change: True if entries can no longer be written, False if they can again."""
    return await asyncio.wait_for(writer.failing_changes.get(), 10)


def notes_of(learner: Any) -> str:
    """The agent's attribute that the page reads."""
    agent = learner.room.remote_participants[learner.agents()[0]]
    return str(agent.attributes.get("bodh.notes", ""))


async def on_a_small_disk(name: str, tmp_path: Path, body: Callable[[Path], Any]) -> None:
    """Runs the test's body on a disk of 1 MB; in a namespace if we are not root."""
    if not may_mount():
        await asyncio.to_thread(run_in_own_namespace, NAMED.format(name))
        return
    with mounted_small_disk(tmp_path / "disk", 1) as disk:
        await body(disk)


async def test_entries_refused_by_a_full_disk_are_written_in_order_once_there_is_room(
    tmp_path: Path,
) -> None:
    async def body(disk: Path) -> None:
        spool = Spool(disk / "spool.sqlite3")
        with fill_disk(disk, 100):
            writer = SpoolWriter(spool)
            number = 0
            while writer.failing_changes.empty():
                number += 1
                await writer.write_entry(entry(number))
            on_disk = await kept(spool)
            assert on_disk == [f"1-{n}" for n in range(1, number)]
            for more in range(number + 1, number + 6):
                await writer.write_entry(entry(more))
            assert await kept(spool) == on_disk
            assert await next_change(writer) is True
            with pytest.raises(sqlite3.Error):
                await asyncio.to_thread(write_probe, disk / "spool.sqlite3")
        assert await next_change(writer) is False
        assert await kept(spool) == [f"1-{n}" for n in range(1, number + 6)]
        await asyncio.to_thread(write_probe, disk / "spool.sqlite3")
        assert writer.failing_changes.empty()
        await writer.close()
        await spool.close()

    await on_a_small_disk(
        "test_entries_refused_by_a_full_disk_are_written_in_order_once_there_is_room",
        tmp_path,
        body,
    )


async def test_each_entry_that_memory_cannot_hold_is_logged_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(disk: Path) -> None:
        spool = Spool(disk / "spool.sqlite3")
        with fill_disk(disk, 0):
            writer = SpoolWriter(spool)
            for number in range(1, 11):
                await writer.write_entry(entry(number))
            first = await kept(spool)
            await writer.close()
        lost = [vars(one)["key"] for one in caplog.records if one.message == "an entry is lost"]
        assert [*first, *lost] == [f"1-{n}" for n in range(1, 11)]
        assert len(lost) >= 7
        await spool.close()

    monkeypatch.setattr(spool_writer, "MEMORY_ENTRIES", 3)
    caplog.set_level(logging.ERROR)
    await on_a_small_disk(
        "test_each_entry_that_memory_cannot_hold_is_logged_as_lost", tmp_path, body
    )


async def test_read_only_disk_is_detected_before_a_room_is_taken(tmp_path: Path) -> None:
    async def body(disk: Path) -> None:
        path = disk / "spool.sqlite3"
        await asyncio.to_thread(write_probe, path)
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mount(b"", os.fsencode(disk), b"", MS_REMOUNT | MS_RDONLY, None) == 0
        with pytest.raises((OSError, sqlite3.Error)):
            await asyncio.to_thread(write_probe, path)

    await on_a_small_disk("test_read_only_disk_is_detected_before_a_room_is_taken", tmp_path, body)


async def test_learner_is_warned_once_that_nothing_is_stored_and_no_new_room_is_accepted(
    stack: Stack,
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    request: pytest.FixtureRequest,
) -> None:
    if not may_mount():
        await asyncio.to_thread(run_in_own_namespace, NAMED.format(request.node.name))
        return
    failing, again = (prompts.render(f"notes_{name}").strip() for name in ("failing", "again"))
    module, disk = course.modules[0], stack.home / "spool"
    await fresh_room(module)
    await fresh_room(course.modules[1])
    amina = await (await learner()).join_past_greeting(module.id, module.lessons[0]["id"])
    full_from = time.monotonic()
    with fill_disk(disk, 0):
        await amina.type("what did I just say")
        await amina.until(lambda: failing in amina.tutor_text(full_from), 20, "the line")
        assert notes_of(amina) == "failing"
        asked = time.monotonic()
        await amina.type("what did I just ask")
        assert await amina.tutor_done(asked) == "You said: what did I just say"
        tomas = await learner(name="Tomas")
        await tomas.join(course.modules[1].id)
        log = stack.home / "log" / "agent.log"
        refused = "dispatch refused: the spool cannot be written"
        await tomas.until(lambda: refused in log.read_text(), 10, "a refusal")
        assert tomas.agents() == []
    await tomas.until(tomas.agents, 20, "an agent")
    await amina.until(lambda: again in amina.tutor_text(full_from), 20, "the end of it")
    assert notes_of(amina) == "ok"
    assert amina.tutor_text(full_from).count(failing) == 1
    said = [one["text"] for one in await amina.account.wait_for_kept_segments(amina.session_id, 2)]
    assert said == ["what did I just say", "what did I just ask"]
