"""What an agent that takes over knows about the session so far."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from agent.durable.earlier_turns import EarlierTurns, load_earlier_turns
from agent.durable.journal import NOT_HEARD
from agent.durable.spool import Entry, Spool
from agent.room.dispatch import Dispatch
from db import Pool, tenant_tx
from db.accounts import Account
from db.attendance import upsert_participants
from db.courses import list_lessons
from db.erasing import erase_words
from db.leases import begin_next_epoch
from db.quizzes import start_quiz
from db.rooms import record_greeting, upsert_room_learner
from db.sessions import find_session, insert_session
from db.stays import ParticipantRow
from db.transcripts import Segment, insert_segments
from tests.db.rows import NOW, at, make_learner, make_room, segment

_segments = TypeAdapter(Segment)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool.sqlite3")
    yield spool
    await spool.close()


@pytest.fixture
async def dispatch(pool: Pool, tenant_id: UUID) -> Dispatch:
    """A session whose first agent was lost 60 s after its start."""
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id)
        session = await insert_session(db, tenant_id, room.id, "RM_1", NOW)
        await begin_next_epoch(db, tenant_id, session.id, NOW)
        epoch = await begin_next_epoch(db, tenant_id, session.id, at(60))
        found = await find_session(db, tenant_id, session.id)
    assert found is not None
    return Dispatch(tenant_id, room, found, epoch)


@pytest.fixture
async def amina(pool: Pool, tenant_id: UUID, dispatch: Dispatch) -> Account:
    """A learner who was greeted at the start and is still there."""
    async with tenant_tx(pool, tenant_id) as db:
        account = await make_learner(db, tenant_id)
        await upsert_room_learner(db, tenant_id, dispatch.room.id, account.id, None)
        await record_greeting(db, tenant_id, dispatch.room.id, account.id, at(1))
    return account


async def loaded(pool: Pool, spool: Spool, dispatch: Dispatch) -> EarlierTurns:
    earlier = await load_earlier_turns(pool, spool, dispatch)
    assert earlier is not None
    return earlier


async def store(pool: Pool, dispatch: Dispatch, *segments: Segment) -> None:
    async with tenant_tx(pool, dispatch.tenant_id) as db:
        await insert_segments(db, dispatch.tenant_id, segments)


async def was_there(
    pool: Pool, dispatch: Dispatch, amina: Account, *, joined: float, left: float | None
) -> None:
    row = ParticipantRow(
        dispatch.session.id,
        f"PA_{joined}",
        amina.id,
        at(joined),
        None if left is None else at(left),
    )
    async with tenant_tx(pool, dispatch.tenant_id) as db:
        await upsert_participants(db, dispatch.tenant_id, [row])


async def test_first_agent_of_a_session_has_no_history(
    pool: Pool, spool: Spool, dispatch: Dispatch
) -> None:
    assert await load_earlier_turns(pool, spool, replace(dispatch, epoch=1)) is None


async def test_talk_joins_postgres_and_spool_in_order_without_duplicates(
    pool: Pool, spool: Spool, dispatch: Dispatch, amina: Account
) -> None:
    session_id = dispatch.session.id
    asked = segment(session_id, "1-1", 10, amina)
    first = replace(segment(session_id, "1-2", 12, None), in_reply_to="1-1")
    second = replace(segment(session_id, "1-3", 14, None), in_reply_to="1-1", interrupted=True)
    await store(pool, dispatch, asked, first)
    for one in (first, second):
        payload: Any = _segments.dump_python(one, mode="json")
        await spool.write_entry(Entry(dispatch.tenant_id, session_id, "segment", one.id, payload))
    earlier = await loaded(pool, spool, dispatch)
    assert [one.id for one in earlier.segments_without_fatal()] == ["1-1", "1-2", "1-3"]
    assert [earlier.owner_of(one) for one in earlier.segments] == [amina.identity] * 3
    assert earlier.recent_cut_turn(amina.id, at(20)) is None


async def test_unanswered_turn_is_answered_while_it_is_recent(
    pool: Pool, spool: Spool, dispatch: Dispatch, amina: Account
) -> None:
    session_id = dispatch.session.id
    await store(
        pool,
        dispatch,
        segment(session_id, "1-1", 10, amina),
        replace(segment(session_id, "1-2", 12, None), in_reply_to="1-1"),
        segment(session_id, "1-3", 50, amina),
        segment(session_id, "1-4", 53, amina),
        replace(segment(session_id, "1-5", 54, amina), text=NOT_HEARD),
    )
    earlier = await loaded(pool, spool, dispatch)
    turn = earlier.recent_cut_turn(amina.id, at(60))
    assert turn is not None
    assert ([one.id for one in turn.segments], turn.fatal) == (["1-3", "1-4"], [])
    assert earlier.recent_cut_turn(amina.id, at(90)) is None


async def test_turn_that_moved_the_quiz_is_not_answered_twice(
    pool: Pool, spool: Spool, dispatch: Dispatch, amina: Account
) -> None:
    await store(pool, dispatch, segment(dispatch.session.id, "1-1", 50, amina))
    async with tenant_tx(pool, dispatch.tenant_id) as db:
        assert dispatch.room.module_id is not None
        (lesson, *_) = await list_lessons(db, dispatch.tenant_id, dispatch.room.module_id)
        await start_quiz(db, dispatch.tenant_id, amina.id, lesson.id)
        await db.execute("update quiz_runs set updated_at = $1", at(51))
    earlier = await loaded(pool, spool, dispatch)
    assert earlier.recent_cut_turn(amina.id, at(60)) is None
    assert [one.id for one in earlier.segments_without_fatal()] == ["1-1"]


async def test_turn_during_which_two_agents_were_lost_is_not_answered_again(
    pool: Pool, spool: Spool, dispatch: Dispatch, amina: Account
) -> None:
    session_id = dispatch.session.id
    await store(pool, dispatch, segment(session_id, "1-1", 50, amina))
    earlier = await loaded(pool, spool, dispatch)
    turn = earlier.recent_cut_turn(amina.id, at(60))
    assert turn is not None
    await earlier.append_retry_events(pool, turn, at(60))
    async with tenant_tx(pool, dispatch.tenant_id) as db:
        third = replace(
            dispatch, epoch=await begin_next_epoch(db, dispatch.tenant_id, session_id, at(62))
        )
    earlier = await loaded(pool, spool, third)
    turn = earlier.recent_cut_turn(amina.id, at(64))
    assert turn is not None
    assert ([one.id for one in turn.fatal], list(turn.segments)) == (["1-1"], [])
    assert earlier.segments_without_fatal() == []
    await store(pool, dispatch, replace(segment(session_id, "2-1", 65, amina), epoch=2))
    turn = (await loaded(pool, spool, third)).recent_cut_turn(amina.id, at(70))
    assert turn is not None
    assert [[one.id for one in part] for part in (turn.fatal, turn.segments)] == [["1-1"], ["2-1"]]
    sorry = replace(segment(session_id, "3-1", 71, None), in_reply_to="1-1", epoch=3)
    again = replace(segment(session_id, "3-2", 73, None), in_reply_to="2-1", epoch=3)
    await store(pool, dispatch, sorry, again)
    assert (await loaded(pool, spool, third)).recent_cut_turn(amina.id, at(75)) is None


async def test_erased_words_that_a_spool_still_holds_are_not_read(
    pool: Pool, spool: Spool, dispatch: Dispatch, amina: Account
) -> None:
    session_id = dispatch.session.id
    asked = segment(session_id, "1-1", 50, amina)
    answer = replace(segment(session_id, "1-2", 52, None), in_reply_to="1-1")
    for one in (asked, answer):
        payload: Any = _segments.dump_python(one, mode="json")
        await spool.write_entry(Entry(dispatch.tenant_id, session_id, "segment", one.id, payload))
    assert len((await loaded(pool, spool, dispatch)).segments) == 2
    async with tenant_tx(pool, dispatch.tenant_id) as db:
        await erase_words(db, dispatch.tenant_id, session_id, amina.id, at(55))
    earlier = await loaded(pool, spool, dispatch)
    assert list(earlier.segments) == []
    assert earlier.recent_cut_turn(amina.id, at(56)) is None


@pytest.mark.parametrize(
    ("left", "greeted", "met"),
    [(None, 1.0, True), (58.0, 1.0, True), (10.0, 1.0, False), (None, -1.0, False)],
)
async def test_learner_greeted_and_present_at_the_loss_is_not_greeted_again(
    left: float | None,
    greeted: float,
    met: bool,
    pool: Pool,
    spool: Spool,
    dispatch: Dispatch,
    amina: Account,
) -> None:
    async with tenant_tx(pool, dispatch.tenant_id) as db:
        await record_greeting(db, dispatch.tenant_id, dispatch.room.id, amina.id, at(greeted))
    await was_there(pool, dispatch, amina, joined=2, left=left)
    await was_there(pool, dispatch, amina, joined=61, left=None)
    earlier = await loaded(pool, spool, dispatch)
    assert await earlier.query_was_cut_off(pool, amina.id) is met
