"""Transcripts: stored once, in order, and visible to those who were there."""

from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from db import Connection, Pool, attendance, create_pool, tenant_tx, transcripts
from db.heard_transcripts import list_conversations, list_listeners, search_heard_segments
from db.rooms import upsert_room_learner
from db.stays import SERVER, ParticipantRow
from tests.conftest import Database
from tests.db.rows import at, make_learner, make_session, segment


async def test_drainer_stores_a_repeated_segment_once(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
    segments = [segment(session_id, key, start, None) for key, start in (("b", 3), ("a", 0))]
    drain = await create_pool(database.dsn("bodh_drain"))
    stored = []
    for batch in (segments[:1], segments, segments):
        async with tenant_tx(drain, tenant_id) as db:
            stored.append(await transcripts.insert_segments(db, tenant_id, batch))
    await drain.close()
    async with tenant_tx(pool, tenant_id) as db:
        found = await transcripts.list_segments(db, tenant_id, session_id)
    assert stored == [1, 1, 0]
    assert found == [segments[1], segments[0]]


async def test_nul_characters_are_removed(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    odd = replace(segment(session_id, "a", 0, None), text="wo\0rds")
    await transcripts.insert_segments(db, tenant_id, [odd])
    (found,) = await transcripts.list_segments(db, tenant_id, session_id)
    assert found.text == "words"


async def test_learner_sees_their_own_words_and_what_was_said_in_their_presence(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
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
    stays = [ParticipantRow(session_id, "PA_1", badr.id, at(10), at(20))]
    stays.append(ParticipantRow(session_id, "PA_2", badr.id, at(30), None))
    stays.append(ParticipantRow(session_id, "PA_3", amina.id, at(0), None))
    await attendance.upsert_participants(db, tenant_id, stays)
    room_id = await db.fetchval("select room_id from sessions where id = $1", session_id)
    for learner in (amina, badr):
        await upsert_room_learner(db, tenant_id, room_id, learner.id, None)
    found = await transcripts.list_heard_segments(db, tenant_id, session_id, badr.id)
    everything = await transcripts.list_heard_segments(db, tenant_id, session_id, amina.id)
    assert [one.id for one in found] == ["own", "there", "again"]
    assert everything == said


# a segment from 20 to 22 s, and the stays of a listener: joined and left, in seconds
PRESENT = [
    ([(21.9, None)], False),  # came for the last word
    ([(21.1, None)], False),
    ([(20.9, None)], True),  # for a second and more
    ([(20.0, None)], True),
    ([(21.0, None)], False),  # a whole second of the media server: may have come at 21.99
    ([(5.0, 21.5)], False),  # heard only the beginning
    ([(5.0, 22.5)], True),
    ([(5.0, 22.0)], True),  # the second in which they left counts in full
    ([(5.0, 21.6), (21.7, None)], True),  # the connection was replaced
    ([(5.0, 19.0), (21.5, None)], False),
    ([(22.5, None)], False),
    ([], False),
]


@pytest.mark.parametrize("by_tutor", [False, True])
@pytest.mark.parametrize(("stays", "heard"), PRESENT)
async def test_segment_is_shown_to_who_was_there_for_a_second_when_it_ended(
    db: Connection,
    tenant_id: UUID,
    stays: list[tuple[float, float | None]],
    heard: bool,
    by_tutor: bool,
) -> None:
    session_id = await make_session(db, tenant_id)
    amina, badr = [await make_learner(db, tenant_id, name) for name in ("Amina", "Badr")]
    said = segment(session_id, "a", 20, None if by_tutor else amina)
    await transcripts.insert_segments(db, tenant_id, [said])
    rows = [
        ParticipantRow(
            session_id, f"PA_{n}", badr.id, at(joined), None if left is None else at(left)
        )
        for n, (joined, left) in enumerate(stays)
    ]
    await attendance.upsert_participants(db, tenant_id, rows)
    room_id = await db.fetchval("select room_id from sessions where id = $1", session_id)
    await upsert_room_learner(db, tenant_id, room_id, badr.id, None)
    found = await transcripts.list_heard_segments(db, tenant_id, session_id, badr.id)
    hits = await search_heard_segments(db, tenant_id, badr.id, "words")
    talks = await list_conversations(db, tenant_id, badr.id)
    listeners = await list_listeners(db, tenant_id, session_id)
    assert [len(found), len(hits), sum(talk.segments for talk in talks)] == [int(heard)] * 3
    assert listeners == ({"a": {badr.identity}} if heard else {})


async def test_what_the_tutor_says_to_a_learner_is_theirs_however_short_their_stay(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
    badr = await make_learner(db, tenant_id, "Badr")
    answer = replace(segment(session_id, "2", 30, None), in_reply_to="1")
    greeting = replace(segment(session_id, "0", 9, None), to_account_id=badr.id)
    said = [
        greeting,
        segment(session_id, "1", 20, badr),
        answer,
        segment(session_id, "3", 40, None),
    ]
    await transcripts.insert_segments(db, tenant_id, said)
    stay = ParticipantRow(session_id, "PA_1", badr.id, at(10), at(25))
    await attendance.upsert_participants(db, tenant_id, [stay])
    room_id = await db.fetchval("select room_id from sessions where id = $1", session_id)
    await upsert_room_learner(db, tenant_id, room_id, badr.id, None)
    found = await transcripts.list_heard_segments(db, tenant_id, session_id, badr.id)
    assert [one.id for one in found] == ["0", "1", "2"]


async def test_media_server_and_agent_may_report_the_same_departure_differently(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
    badr = await make_learner(db, tenant_id, "Badr")
    said = [segment(session_id, "last second", 18.5, None), segment(session_id, "after", 19, None)]
    await transcripts.insert_segments(db, tenant_id, said)
    room_id = await db.fetchval("select room_id from sessions where id = $1", session_id)
    await upsert_room_learner(db, tenant_id, room_id, badr.id, None)
    # left at 20.7: the agent reports fractions, the media server, which wins, whole seconds
    seen = ParticipantRow(session_id, "PA_1", badr.id, at(10), at(20.7))
    departed = replace(seen, left_at=at(20), left_told=SERVER)
    await attendance.upsert_participants(db, tenant_id, [seen, departed])
    found = await transcripts.list_heard_segments(db, tenant_id, session_id, badr.id)
    assert [one.id for one in found] == ["last second"]


async def test_departure_may_be_stored_before_or_after_its_join(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
    amina = await make_learner(db, tenant_id)
    join = ParticipantRow(session_id, "PA_1", amina.id, at(1), None)
    await attendance.upsert_participants(db, tenant_id, [replace(join, left_at=at(5)), join])
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


async def test_segment_without_words_is_not_listed(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    amina = await make_learner(db, tenant_id)
    silent = replace(segment(session_id, "a", 0, amina), text="", name="")
    spoken = segment(session_id, "b", 4, amina)
    await transcripts.insert_segments(db, tenant_id, [silent, spoken])
    room_id = await db.fetchval("select room_id from sessions where id = $1", session_id)
    await upsert_room_learner(db, tenant_id, room_id, amina.id, None)
    assert await transcripts.list_segments(db, tenant_id, session_id) == [spoken]
    (talk,) = await list_conversations(db, tenant_id, amina.id)
    assert (talk.first_id, talk.segments, talk.started_at) == ("b", 1, at(4))
    newest = await transcripts.list_latest_segments(db, tenant_id, session_id, 5)
    assert [one.text for one in newest] == ["words b", ""]
