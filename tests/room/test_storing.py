"""Learners who opt out of storage get answers, and none of their words are stored."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import asyncpg
from livekit import api

import prompts
from harness.learner import Learner
from harness.stack import Stack
from tests.room.conftest import Course

KEPT = """select role, text, name, language, confidence, account_id::text as account,
                 ended_at >= started_at as timed, in_reply_to is not null as answer
          from transcript_segments where session_id = $1::uuid order by epoch, local_seq"""


async def test_words_of_a_learner_who_opted_out_are_answered_and_stored_nowhere(
    stack: Stack,
    person: Callable[..., Any],
    arrived: Callable[..., Any],
    course: Course,
    rows: asyncpg.Connection,
) -> None:
    account = await person("Silent")
    choice = await account.http.patch("/api/me/settings", json={"storeWords": False})
    choice.raise_for_status()
    one = await arrived(course.modules[0], account=account)
    _, ended = await one.say("what is overfitting")
    await one.wait_for_answer(ended)
    asked = time.monotonic()
    await one.type("What is a planted sentence?")
    await one.wait_for_answer(asked)
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


async def test_erased_words_leave_the_running_conversation_within_two_seconds(
    arrived: Callable[..., Any], course: Course
) -> None:
    amina = await arrived(course.modules[0])
    for question in ("What is a planted label?", "What is a vector?"):
        asked = time.monotonic()
        await amina.type(question)
        await amina.wait_for_answer(asked)
    await amina.account.wait_for_kept_segments(amina.session_id, 2)
    erased = await amina.account.http.delete(
        "/api/me/words", params={"sessionId": amina.session_id}
    )
    assert erased.json()["erased"] == 2
    await asyncio.sleep(2)  # the promise under test
    said = []
    for question in ("what did I just say", "repeat that"):
        asked = time.monotonic()
        await amina.type(question)
        said.append(await amina.tutor_done(asked))
    assert said[0].endswith(prompts.render("nothing_asked_yet"))
    assert said[1].endswith(prompts.render("nothing_asked_yet"))  # the answer before it
    kept = await amina.account.wait_for_kept_segments(amina.session_id, 2)
    assert [one["text"] for one in kept] == ["what did I just say", "repeat that"]


async def test_switching_storing_off_applies_at_once_and_holds_for_an_older_token(
    stack: Stack,
    person: Callable[..., Any],
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    account = await person("Changing")
    ticket = await account.request_join_ticket(module.id)
    one = await (await learner(account)).join_past_greeting_with_ticket(ticket, microphone=False)
    await one.type("What is a first sentence?")
    await account.wait_for_kept_segments(one.session_id, 1)
    switched = time.monotonic()
    saved = await account.http.patch("/api/me/settings", json={"storeWords": False})
    assert saved.json()["storeWordsFrom"] == "now"
    await one.type("What is a hidden sentence?")
    await one.wait_for_answer(switched)
    await one.leave()
    again = await (await learner(account)).join_past_greeting_with_ticket(ticket, microphone=False)
    asked = time.monotonic()
    await again.type("What is a hidden word?")
    await again.wait_for_answer(asked)
    await again.leave()
    said = [one["text"] for one in await account.wait_for_kept_segments(again.session_id, 1)]
    assert said == ["What is a first sentence?"]
    spool = b"".join(path.read_bytes() for path in (stack.home / "spool").iterdir())
    assert b"a first sentence" in spool
    assert b"hidden" not in spool


async def test_words_of_a_learner_who_cannot_be_read_wait_until_the_database_is_back(
    stack: Stack,
    person: Callable[..., Any],
    arrived: Callable[..., Any],
    learner: Callable[..., Any],
    course: Course,
    rows: asyncpg.Connection,
) -> None:
    amina = await arrived(course.modules[0], microphone=False)
    account = await person("Unknown")
    me = await account.get("/api/me")
    room_name = amina.room_name
    async with rows.transaction():
        # the agent cannot read who is in the room
        await rows.execute("lock table room_learners in access exclusive mode")
        await rows.execute(ADMITTED, room_name, me["id"])
        identity = await rows.fetchval("select identity from accounts where id = $1", me["id"])
        unknown = await learner(account)
        await unknown.join_with_ticket(
            {
                "session_id": amina.session_id,
                "room_name": room_name,
                "server_url": stack.settings.livekit_client_url,
                "participant_token": token_of(stack, identity, room_name),
            },
            microphone=False,
        )
        await unknown.until(unknown.agents, 10, "an agent")
        await unknown.type("What is a waiting sentence?")
        await unknown.until(lambda: notes_of(unknown) == "held", 15, "a note on the page")
    back = time.monotonic()
    await unknown.until(lambda: notes_of(unknown) == "ok", 10, "the end of the note")
    (said,) = await account.wait_for_kept_segments(amina.session_id, 1)
    assert (said["text"], said["name"]) == ("What is a waiting sentence?", account.name)
    await unknown.until(lambda: account.name in unknown.tutor_text(back), 20, "a greeting")


ADMITTED = """insert into room_learners (tenant_id, room_id, account_id, lesson_id, revision)
              select tenant_id, room_id, $2, lesson_id, revision from room_learners
              where room_id = (select id from livekit_rooms where name = $1) limit 1"""


def token_of(stack: Stack, identity: str, room_name: str) -> str:
    settings = stack.settings
    token = api.AccessToken(
        settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    )
    grants = api.VideoGrants(room_join=True, room=room_name)
    return token.with_identity(identity).with_grants(grants).to_jwt()


def notes_of(learner: Learner) -> str:
    """What the page reads to tell the learner whether their words are stored."""
    agent = learner.room.remote_participants[learner.agents()[0]]
    return str(agent.attributes.get("bodh.notes", ""))
