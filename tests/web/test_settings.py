"""Account settings: stored per account, and known to the tutor before it speaks."""

import asyncio
import time
from typing import Any

import jwt
import pytest
from livekit import api

from agent.room.dispatch import Dispatch
from agent.room.learner import Roster
from agent.room.lessons import Lessons
from db import tenant_tx
from db.attendance import upsert_participants
from db.consent_texts import transcript_text
from db.rooms import find_room
from db.sessions import find_active_session
from db.stays import ParticipantRow
from harness.stack import free_port
from tests.web.conftest import School

DEFAULTS = {
    "storeWords": False,
    "speechRate": 1.0,
    "voice": True,
    "captionSize": "normal",
    "readTutor": False,
    "singleKeys": True,
    "theme": "system",
}
OTHERS = {
    "storeWords": True,
    "speechRate": 1.5,
    "voice": False,
    "captionSize": "largest",
    "readTutor": True,
    "singleKeys": False,
    "theme": "dark",
}


async def save(school: School, name: str, **choices: Any) -> Any:
    if choices.get("storeWords"):
        choices["transcriptTextHash"] = transcript_text().text_hash
    answer = await school.client.patch("/api/me/settings", headers=school.auth(name), json=choices)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def choose(school: School, name: str, **choices: Any) -> Any:
    """Saves, and returns only the settings."""
    saved = await save(school, name, **choices)
    return {key: value for key, value in saved.items() if key != "storeWordsFrom"}


async def test_account_without_settings_has_the_defaults(library: School) -> None:
    assert await library.get("/api/me/settings", "Nobody") == DEFAULTS


async def test_change_is_stored_and_leaves_other_settings(school: School) -> None:
    expected: dict[str, Any] = dict(DEFAULTS)
    for name, value in OTHERS.items():
        expected[name] = value
        assert await choose(school, "Amina", **{name: value}) == expected
    assert await choose(school, "Amina", theme=None) == OTHERS
    assert await school.get("/api/me/settings", "Amina") == OTHERS


async def test_settings_belong_to_one_account_in_one_tenant(school: School) -> None:
    await choose(school, "Amina", **OTHERS)
    assert await school.get("/api/me/settings", "Bilal") == DEFAULTS
    headers = school.auth("Amina", tenant="other-school")
    answer = await school.client.get("/api/me/settings", headers=headers)
    assert answer.json() == DEFAULTS


@pytest.mark.parametrize(
    "body",
    [
        {"storeWords": "perhaps"},
        {"storeWords": True},
        {"storeWords": True, "transcriptTextHash": "short"},
        {"speechRate": 0.4},
        {"speechRate": 2.1},
        {"speechRate": "NaN"},
        {"captionSize": "huge"},
        {"theme": "blue"},
        [],
    ],
)
async def test_malformed_settings_are_422(library: School, body: Any) -> None:
    answer = await library.client.patch(
        "/api/me/settings", headers=library.auth("Amina"), json=body
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_choice_is_in_no_metadata(school: School) -> None:
    await school.agree(school.auth("Amina"), "tutor", "transcript")
    await choose(school, "Amina", storeWords=False)
    page = await school.open("Amina")
    claims = jwt.decode(page["liveKitToken"], options={"verify_signature": False})
    assert "storeWords" not in claims["metadata"]
    assert "storeWords" not in (await school.live_room()).metadata


async def test_choice_applies_at_once_where_no_conversation_follows_an_earlier_one(
    school: School,
) -> None:
    await school.open("Amina")  # the room is ready, but she has not joined it
    saved = await save(school, "Amina", storeWords=False)
    assert saved["storeWordsFrom"] == "now"
    assert (await save(school, "Amina", theme="dark"))["storeWordsFrom"] == "now"


async def test_choice_applies_to_a_running_conversation_within_2_s(school: School) -> None:
    """The agent reads the database, so it does not matter that no media server answers."""
    lessons = await talking(school, "Amina")
    away = api.LiveKitAPI(f"http://127.0.0.1:{free_port()}", "key", "s" * 32)
    context = school.app.state.context
    working, context.lk = context.lk, away
    rereading = asyncio.create_task(lessons.sync_with_database_forever())
    learner = await lessons.find_or_read_sender((await school.account("Amina")).identity)
    began = time.monotonic()
    for choice in (False, True, False):
        saved = await save(school, "Amina", storeWords=choice)
        assert (saved["storeWordsFrom"], learner.store_words) == ("now", choice)
    rereading.cancel()
    context.lk = working
    await away.aclose()
    assert time.monotonic() - began < 3 * 2


async def test_choice_that_the_running_agent_cannot_read_applies_later(school: School) -> None:
    await talking(school, "Amina")
    saved = await save(school, "Amina", storeWords=False)
    assert (saved["storeWords"], saved["storeWordsFrom"]) == (False, "later")
    assert (await save(school, "Bilal", storeWords=False))["storeWordsFrom"] == "now"


async def talking(school: School, name: str) -> Lessons:
    """Lets an account take part in a session. Returns what its agent reads the database with."""
    await school.open(name)
    account, tenant_id = await school.account(name), school.tenant.id
    async with tenant_tx(school.pool, tenant_id) as db:
        room = await find_room(db, tenant_id, school.room())
        assert room is not None
        session = await find_active_session(db, tenant_id, room.id)
        assert session is not None
        stay = ParticipantRow(session.id, "PA_1", account.id, school.clock.now, None)
        await upsert_participants(db, tenant_id, [stay])
    return Lessons(Dispatch(tenant_id, room, session, 1), school.pool, school.lk, Roster())
