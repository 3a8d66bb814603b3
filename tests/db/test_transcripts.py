"""Transcripts: stored once, in order, and seen by who was there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from db import Pool, create_pool, sessions, tenant_tx, transcripts
from db.accounts import Account
from db.courses import Course
from db.transcripts import Participant, Segment
from tests.conftest import Database
from tests.db.test_rooms import make_learner, make_room

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    """A moment of the session, counted from its start."""
    return NOW + timedelta(seconds=second)


def segment(session_id: UUID, key: str, start: float, account: Account | None) -> Segment:
    """Two seconds of speech by a learner, or by the tutor."""
    return Segment(
        session_id=session_id,
        id=key,
        account_id=None if account is None else account.id,
        identity="a_1" if account is None else account.identity,
        name="Bodh" if account is None else account.name,
        role="tutor" if account is None else "learner",
        source="voice",
        text=f"words {key}",
        started_at=at(start),
        ended_at=at(start + 2),
        lesson_id=None,
        language="en",
        confidence=0.5,
        interrupted=False,
        in_reply_to=None,
        provenance="live",
        epoch=1,
        local_seq=int(start * 10),
    )


async def make_session(pool: Pool, tenant_id: UUID, course: Course) -> UUID:
    """A running session in a room of the course."""
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id, course)
        return (await sessions.insert_session(db, tenant_id, room.id, "RM_1", NOW)).id


async def test_the_drainer_stores_a_segment_once_however_often_it_comes(
    pool: Pool, database: Database, tenant_id: UUID, sample: Course
) -> None:
    session_id = await make_session(pool, tenant_id, sample)
    segments = [segment(session_id, key, start, None) for key, start in (("b", 3), ("a", 0))]
    drain = await create_pool(database.dsn("bodh_drain"))
    stored = []
    for batch in (segments[:1], segments, segments):
        async with tenant_tx(drain, tenant_id) as db:
            stored.append(await transcripts.insert_segments(db, tenant_id, batch))
    await drain.close()
    async with tenant_tx(pool, tenant_id) as db:
        found = await transcripts.list_segments(db, tenant_id, session_id, present=None)
    assert stored == [1, 1, 0]
    assert found == [segments[1], segments[0]]


async def test_a_nul_in_the_text_is_left_out(pool: Pool, tenant_id: UUID, sample: Course) -> None:
    session_id = await make_session(pool, tenant_id, sample)
    odd = replace(segment(session_id, "a", 0, None), text="wo\0rds")
    async with tenant_tx(pool, tenant_id) as db:
        await transcripts.insert_segments(db, tenant_id, [odd])
        (found,) = await transcripts.list_segments(db, tenant_id, session_id, present=None)
    assert found.text == "words"


async def test_a_learner_sees_what_was_said_while_they_were_there_and_their_own(
    pool: Pool, tenant_id: UUID, sample: Course
) -> None:
    session_id = await make_session(pool, tenant_id, sample)
    async with tenant_tx(pool, tenant_id) as db:
        amina, badr = [await make_learner(db, tenant_id, name) for name in ("Amina", "Badr")]
        said = [
            segment(session_id, "before", 0, None),
            segment(session_id, "own", 4, badr),
            segment(session_id, "entering", 9, amina),
            segment(session_id, "there", 12, None),
            segment(session_id, "between", 21, amina),
            segment(session_id, "again", 31, None),
        ]
        await transcripts.insert_segments(db, tenant_id, said)
        stays = [Participant(session_id, "PA_1", badr.id, at(10), at(20))]
        stays.append(Participant(session_id, "PA_2", badr.id, at(30), None))
        stays.append(Participant(session_id, "PA_3", amina.id, at(0), None))
        await transcripts.upsert_participants(db, tenant_id, stays)
        found = await transcripts.list_segments(db, tenant_id, session_id, present=badr)
        everything = await transcripts.list_segments(db, tenant_id, session_id, present=amina)
    assert [one.id for one in found] == ["own", "entering", "there", "again"]
    assert everything == said


async def test_a_departure_may_be_stored_before_and_after_its_join(
    pool: Pool, tenant_id: UUID, sample: Course
) -> None:
    session_id = await make_session(pool, tenant_id, sample)
    async with tenant_tx(pool, tenant_id) as db:
        amina = await make_learner(db, tenant_id)
        join = Participant(session_id, "PA_1", amina.id, at(1), None)
        await transcripts.upsert_participants(db, tenant_id, [replace(join, left_at=at(5)), join])
        row = await db.fetchrow("select joined_at, left_at from livekit_participants")
    assert row is not None
    assert tuple(row) == (at(1), at(5))


async def test_the_drainer_cannot_read_courses_or_accounts(
    database: Database, tenant_id: UUID
) -> None:
    drain = await create_pool(database.dsn("bodh_drain"))
    for table in ("accounts", "quiz_keys", "sessions"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_tx(drain, tenant_id) as db:
                await db.fetch(f"select * from {table}")  # noqa: S608 names of this test
    await drain.close()


async def test_a_dead_letter_is_kept_once(database: Database, tenant_id: UUID) -> None:
    drain = await create_pool(database.dsn("bodh_drain"))
    async with tenant_tx(drain, tenant_id) as db:
        for _ in range(2):
            await transcripts.insert_dead_letter(
                db, tenant_id, kind="segment", entry_key="x", payload={"a": "\0"}, error="why"
            )
        assert await db.fetchval("select count(*) from dead_letters") == 1
    await drain.close()
