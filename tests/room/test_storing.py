"""Learners who opt out of storage get answers, and none of their words are stored."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import asyncpg

from harness.stack import Stack
from tests.room.conftest import Course

KEPT = """select role, text, name, language, confidence, account_id::text as account,
                 ended_at >= started_at as timed, in_reply_to is not null as answer
          from transcript_segments where session_id = $1::uuid order by epoch, local_seq"""


async def test_words_of_a_learner_who_opted_out_are_answered_and_stored_nowhere(
    stack: Stack,
    person: Callable[..., Any],
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    rows: asyncpg.Connection,
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    account = await person("Silent")
    choice = await account.http.patch("/api/me/settings", json={"storeWords": False})
    choice.raise_for_status()
    one = await (await learner(account)).join_and_settle(module.id)
    _, ended = await one.say("what is overfitting")
    await one.answered(ended)
    asked = time.monotonic()
    await one.type("What is a planted sentence?")
    await one.answered(asked)
    await one.leave()
    assert await account.transcript(one.session_id) == []
    assert (
        await rows.fetchval(
            "select count(*) from transcript_segments where text ~* $1", ("planted sentence|Silent")
        )
        == 0
    )
    spool = b"".join(path.read_bytes() for path in (stack.home / "spool").iterdir())
    assert b"planted sentence" not in spool
    with contextlib.closing(sqlite3.connect(stack.home / "spool" / "spool.sqlite3")) as kept:
        found = "select payload from entries where session_id = ? and kind = 'segment'"
        payloads = [json.loads(text) for (text,) in kept.execute(found, (one.session_id,))]
    assert {payload["text"] for payload in payloads} == {""}
    stored = await rows.fetch(KEPT, one.session_id)
    assert {(row["text"], row["name"], row["language"], row["confidence"]) for row in stored} == {
        ("", "", None, None)
    }
    assert all(row["timed"] for row in stored)
    me = await account.get("/api/me")
    said = [row["account"] for row in stored if row["role"] == "learner"]
    assert said == [me["id"], me["id"]]
    assert [row["role"] for row in stored if row["answer"]].count("tutor") >= 2
    assert (await account.get("/api/me/transcripts"))["talks"] == []
