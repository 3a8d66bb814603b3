"""The event log: without gaps, append-only, chained and typed; one event per change."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

import rooms
from courses.course import Lesson
from db import (
    Conflict,
    Connection,
    NotFound,
    Pool,
    create_pool,
    leases,
    sessions,
    set_tenant,
    tenant_tx,
)
from db import rooms as stored
from db.accounts import Account
from db.attendance import close_stays_of_ended_sessions, upsert_participants
from db.courses import list_lessons
from db.event_chain import SessionEvent, first_broken_seq
from db.event_kinds import (
    KINDS,
    AgentDispatched,
    AgentLeft,
    Event,
    SessionStarted,
    parse_event,
)
from db.events import append_event, find_event_head, list_events
from db.members import list_members
from db.rooms import Room
from db.session_view import fold_session
from db.stays import ParticipantRow
from tests.conftest import Database
from tests.db.rows import NOW, at, make_learner, make_room, make_session
from tests.soak import SOAK

WRITING_S = 60.0 if SOAK else 2.0
HASHED = ["session.started", *["agent.dispatched"] * 3]


async def types(db: Connection, tenant_id: UUID, session_id: UUID) -> list[str]:
    """The kinds of a log's events, in order."""
    return [event.type for event in await list_events(db, tenant_id, session_id)]


@pytest.fixture
async def session_id(pool: Pool, tenant_id: UUID) -> UUID:
    """A running session that several connections write to."""
    async with tenant_tx(pool, tenant_id) as db:
        return await make_session(db, tenant_id)


# the models


def test_every_kind_has_its_own_model() -> None:
    assert len(KINDS) == len(get_args(Event))
    for (kind, version), model in KINDS.items():
        fields = model.model_fields
        assert (get_args(fields["type"].annotation), get_args(fields["version"].annotation)) == (
            (kind,),
            (version,),
        )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_payloads_accept_ids_and_numbers_only(kind: tuple[str, int]) -> None:
    for name, field in KINDS[kind].model_json_schema()["properties"].items():
        for shape in field.get("anyOf", [field]):
            narrow = {"const", "enum", "pattern"} & shape.keys() or shape.get("format") == "uuid"
            assert narrow or shape["type"] in ("integer", "null"), name


def test_event_without_a_model_is_refused() -> None:
    for row in (("session.paused", 1, {}), ("agent.lost", 9, {}), ("agent.lost", 1, {"text": "x"})):
        with pytest.raises(ValueError):  # noqa: PT011 pydantic's own is one
            parse_event(*row)


# appending


async def test_log_begins_with_its_session(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    await append_event(db, tenant_id, session_id, AgentDispatched(epoch=1), at(1))
    events = await list_events(db, tenant_id, session_id)
    assert [(e.seq, e.type, e.at) for e in events] == [
        (1, "session.started", NOW),
        (2, "agent.dispatched", at(1)),
    ]


async def test_append_before_session_started_is_refused(db: Connection, tenant_id: UUID) -> None:
    for key in (None, "a"):
        with pytest.raises(NotFound):
            await append_event(db, tenant_id, uuid4(), AgentDispatched(epoch=1), NOW, key=key)


async def test_second_session_started_is_refused(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    started = SessionStarted(kind="tutor", room_id=uuid4(), room_sid="RM_2")
    with pytest.raises(Conflict):
        await append_event(db, tenant_id, session_id, started, NOW)


async def test_database_constraint_requires_session_started_first(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
    with pytest.raises(asyncpg.CheckViolationError, match="session_started_opens_the_log"):
        await db.execute(
            """insert into session_state_events
                 (tenant_id, session_id, seq, type, version, at, payload, hash)
               values ($1, $2, 2, 'session.started', 1, now(), '{}', $3)""",
            tenant_id,
            session_id,
            bytes(32),
        )


async def test_repeated_key_returns_the_first_event(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    first = await append_event(
        db, tenant_id, session_id, AgentDispatched(epoch=1), NOW, key="agent"
    )
    await append_event(db, tenant_id, session_id, AgentDispatched(epoch=2), NOW, key="other")
    again = await append_event(
        db, tenant_id, session_id, AgentDispatched(epoch=3), at(9), key="agent"
    )
    assert again == first
    assert len(await list_events(db, tenant_id, session_id)) == 3


async def test_eight_concurrent_appends_of_one_key_make_one_event(
    pool: Pool, tenant_id: UUID, session_id: UUID
) -> None:
    async def append() -> int:
        async with tenant_tx(pool, tenant_id) as db:
            event = AgentDispatched(epoch=1)
            return (await append_event(db, tenant_id, session_id, event, NOW, key="one")).seq

    assert await asyncio.gather(*(append() for _ in range(8))) == [2] * 8
    async with tenant_tx(pool, tenant_id) as db:
        assert await types(db, tenant_id, session_id) == ["session.started", "agent.dispatched"]


async def test_fifty_writers_leave_no_gap(
    database: Database, tenant_id: UUID, session_id: UUID
) -> None:
    acknowledged = await write(database, tenant_id, session_id, writers=50, each=4)
    assert len(acknowledged) == 200
    await check_log(database, tenant_id, session_id, acknowledged)


async def test_sixteen_writers_that_roll_back_leave_no_gap(
    database: Database, tenant_id: UUID, session_id: UUID
) -> None:
    acknowledged = await write(
        database, tenant_id, session_id, writers=16, within_s=WRITING_S, lost=0.1
    )
    assert len(acknowledged) > 500 * WRITING_S or not SOAK
    await check_log(database, tenant_id, session_id, acknowledged)


async def write(
    database: Database,
    tenant_id: UUID,
    session_id: UUID,
    *,
    writers: int,
    each: int = 1_000_000,
    within_s: float = 60.0,
    lost: float = 0.0,
) -> list[tuple[int, int]]:
    """Appends from many connections, some rolled back. Returns (seq, epoch) of committed ones."""
    clock = asyncio.get_running_loop().time
    until = clock() + within_s
    pool = await create_pool(database.dsn(), max_size=writers)
    chance = random.Random(1)  # noqa: S311 no secret
    acknowledged: list[tuple[int, int]] = []

    async def writer(number: int) -> None:
        for epoch in range(number * each, (number + 1) * each):
            if clock() > until:
                return
            try:
                async with tenant_tx(pool, tenant_id) as db:
                    event = AgentDispatched(epoch=epoch)
                    done = await append_event(db, tenant_id, session_id, event, NOW)
                    if chance.random() < lost:
                        raise InterruptedError
            except InterruptedError:
                continue
            acknowledged.append((done.seq, epoch))

    await asyncio.gather(*(writer(number) for number in range(writers)))
    await pool.close()
    return acknowledged


async def check_log(
    database: Database, tenant_id: UUID, session_id: UUID, acknowledged: list[tuple[int, int]]
) -> None:
    """Asserts that the log has exactly the acknowledged events, in their places."""
    pool = await create_pool(database.dsn())
    async with tenant_tx(pool, tenant_id) as db:
        events = await list_events(db, tenant_id, session_id)
        head = await find_event_head(db, tenant_id, session_id)
    await pool.close()
    assert [event.seq for event in events] == list(range(1, len(acknowledged) + 2))
    assert [(e.seq, e.payload["epoch"]) for e in events[1:]] == sorted(acknowledged)
    assert first_broken_seq(events, head) is None


# append-only


@pytest.mark.parametrize("role", ["bodh_app", "bodh_drain", "bodh_owner", "postgres"])
@pytest.mark.parametrize(
    "change",
    [
        "update session_state_events set payload = '{}'",
        "delete from session_state_events",
        "truncate session_state_events",
        "truncate session_event_heads cascade",
        """insert into session_state_events select * from session_state_events
           on conflict (tenant_id, session_id, seq) do update set payload = '{}'""",
    ],
)
async def test_no_role_can_change_a_log(
    database: Database, tenant_id: UUID, session_id: UUID, role: str, change: str
) -> None:
    connection = await asyncpg.connect(database.dsn(role))
    transaction = connection.transaction()
    await transaction.start()
    await set_tenant(connection, tenant_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(change)
    await transaction.rollback()
    await connection.close()


async def test_replica_role_does_not_bypass_the_trigger(
    database: Database, session_id: UUID
) -> None:
    connection = await asyncpg.connect(database.dsn("postgres"))
    await connection.execute("set session_replication_role = replica")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute("delete from session_state_events")
    await connection.close()


async def test_payload_with_an_account_is_refused(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    with pytest.raises(asyncpg.CheckViolationError, match="no_accounts_in_the_log"):
        await db.execute(
            """insert into session_state_events
                 (tenant_id, session_id, seq, type, version, at, payload, hash)
               values ($1, $2, 2, 'participant.joined', 1, now(), $3, $4)""",
            tenant_id,
            session_id,
            json.dumps({"account_id": str(uuid4()), "sid": "PA_1"}),
            bytes(32),
        )


async def test_tables_belong_to_the_migrations_role(db: Connection) -> None:
    owners = await db.fetch(
        "select tableowner from pg_tables where tablename like any ($1)",
        ["session_event_heads", "session_state_events"],
    )
    assert [owner for (owner,) in owners] == ["bodh_owner"] * 2


# the chain


@pytest.mark.parametrize(
    ("change", "found_at"),
    [
        ("update session_state_events set payload = '{\"epoch\": 7}' where seq = 2", 2),
        ("update session_state_events set at = at + interval '1 microsecond' where seq = 3", 3),
        ("update session_state_events set type = 'agent.left' where seq = 4", 4),
        ("delete from session_state_events where seq = 3", 3),
        ("delete from session_state_events where seq = 4", 4),
        (
            """update session_state_events e set payload = o.payload, hash = o.hash
               from session_state_events o where (e.seq, o.seq) in ((2, 3), (3, 2))""",
            2,
        ),
    ],
)
@pytest.mark.parametrize("role", ["bodh_owner", "postgres"])
async def test_tampering_is_detected(
    database: Database, tenant_id: UUID, session_id: UUID, role: str, change: str, found_at: int
) -> None:
    strong = await asyncpg.connect(database.dsn(role))
    await strong.execute("select set_config('app.tenant_id', $1, false)", str(tenant_id))
    for epoch in (1, 2, 3):
        await append_event(strong, tenant_id, session_id, AgentDispatched(epoch=epoch), NOW)
    head = await find_event_head(strong, tenant_id, session_id)
    whole = await list_events(strong, tenant_id, session_id)
    await strong.execute("alter table session_state_events disable trigger user")
    await strong.execute(change)
    events = await list_events(strong, tenant_id, session_id)
    await strong.close()
    assert [event.type for event in whole] == HASHED
    assert (first_broken_seq(whole, head), first_broken_seq(events, head)) == (None, found_at)


# the functions that log


async def enter(db: Connection, tenant_id: UUID) -> tuple[Room, list[Account], list[Lesson]]:
    """A room with three learners on the first of its lessons."""
    room = await make_room(db, tenant_id)
    assert room.module_id is not None
    lessons = await list_lessons(db, tenant_id, room.module_id, unpublished=False)
    accounts = [await make_learner(db, tenant_id, name) for name in ("Amina", "Badr", "Chen")]
    for account in accounts:
        await stored.upsert_room_learner(db, tenant_id, room.id, account.id, lessons[0].id)
    return room, accounts, lessons


async def test_each_write_is_logged_once(db: Connection, tenant_id: UUID) -> None:
    room = await make_room(db, tenant_id)
    assert room.module_id is not None
    first, second = await list_lessons(db, tenant_id, room.module_id, unpublished=True)
    amina = replace(await make_learner(db, tenant_id), role="teacher")
    await stored.upsert_room_learner(db, tenant_id, room.id, amina.id, first.id)
    await rooms.store_lesson_change(db, room, amina, second.id, now=NOW)  # not in a session
    session = await sessions.insert_session(db, tenant_id, room.id, "RM_1", NOW)
    joined = ParticipantRow(session.id, "PA_1", amina.id, at(1), None)
    for _ in range(2):
        await leases.begin_next_epoch(db, tenant_id, session.id, at(2))
        await rooms.store_lesson_change(db, room, amina, first.id, now=at(3))
        await upsert_participants(db, tenant_id, [joined])
    await sessions.record_resumed_room_sid(db, tenant_id, session.id, "RM_2", at(4))
    left = [
        replace(joined, left_at=at(5)),
        ParticipantRow(session.id, "PA_2", amina.id, at(6), None),
    ]
    await upsert_participants(db, tenant_id, left)
    await leases.end_leased_session(db, tenant_id, session.id, 1, at(7))  # from an older agent
    for _ in range(2):
        await leases.end_leased_session(db, tenant_id, session.id, 2, at(8))
        await upsert_participants(db, tenant_id, left)
    events = await list_events(db, tenant_id, session.id)
    assert [(event.type, (event.at - NOW).total_seconds()) for event in events] == [
        ("session.started", 0),
        ("agent.dispatched", 2),
        ("lesson.changed", 3),
        ("participant.joined", 1),
        ("agent.lost", 2),
        ("agent.dispatched", 2),
        ("session.resumed", 4),
        ("participant.left", 5),
        ("participant.joined", 6),
        ("participant.left", 8),
        ("session.ended", 8),
    ]


async def test_agent_that_left_is_not_logged_as_lost(db: Connection, tenant_id: UUID) -> None:
    session_id = await make_session(db, tenant_id)
    await leases.begin_next_epoch(db, tenant_id, session_id, NOW)
    await append_event(db, tenant_id, session_id, AgentLeft(epoch=1), NOW, key="gone:1")
    await leases.begin_next_epoch(db, tenant_id, session_id, NOW)
    assert await types(db, tenant_id, session_id) == [
        "session.started",
        "agent.dispatched",
        "agent.left",
        "agent.dispatched",
    ]


async def test_departure_stored_first_is_logged_after_its_join(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
    amina = await make_learner(db, tenant_id)
    stay = ParticipantRow(session_id, "PA_1", amina.id, at(1), at(5))
    await upsert_participants(db, tenant_id, [stay, replace(stay, left_at=None)])
    assert (await types(db, tenant_id, session_id))[1:] == [
        "participant.joined",
        "participant.left",
    ]


async def test_rollback_removes_the_event_with_the_row(
    pool: Pool, tenant_id: UUID, session_id: UUID
) -> None:
    async def dispatch_in_vain() -> None:
        async with tenant_tx(pool, tenant_id) as db:
            await leases.begin_next_epoch(db, tenant_id, session_id, NOW)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await dispatch_in_vain()
    async with tenant_tx(pool, tenant_id) as db:
        assert await types(db, tenant_id, session_id) == ["session.started"]


async def test_drainer_logs_joins_and_departures(
    pool: Pool, database: Database, tenant_id: UUID, session_id: UUID
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        amina = await make_learner(db, tenant_id)
    drain = await create_pool(database.dsn("bodh_drain"))
    stay = ParticipantRow(session_id, "PA_1", amina.id, at(1), None)
    for row in (stay, replace(stay, left_at=at(2)), replace(stay, left_at=at(2))):
        async with tenant_tx(drain, tenant_id) as db:
            await upsert_participants(db, tenant_id, [row])
    await drain.close()
    async with tenant_tx(pool, tenant_id) as db:
        events = await list_events(db, tenant_id, session_id)
    assert [event.type for event in events[1:]] == ["participant.joined", "participant.left"]
    assert events[1].payload == {"identity": amina.identity, "sid": "PA_1"}


# the fold

WHO = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("joins"), WHO, st.integers(1, 4)),
        st.tuples(st.just("leaves"), WHO, st.integers(1, 4)),
        st.tuples(st.just("changes lesson"), WHO, st.integers(0, 1)),
        st.tuples(st.sampled_from(["dispatches", "resumes"]), WHO, WHO),
        st.tuples(st.sampled_from(["ends", "room closes", "closes ended"]), WHO, WHO),
    ),
    max_size=20,
)


@given(steps=STEPS)
@limits(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_folded_log_equals_the_rows(
    db: Connection, tenant_id: UUID, steps: list[tuple[str, int, int]]
) -> None:
    example = db.transaction()
    await example.start()
    room, accounts, lessons = await enter(db, tenant_id)
    accounts = [replace(account, role="teacher") for account in accounts]
    lessons = await list_lessons(db, tenant_id, lessons[0].module_id, unpublished=True)
    session = await sessions.insert_session(db, tenant_id, room.id, "RM_0", NOW)
    for second, (what, who, which) in enumerate(steps, start=1):
        now = at(second)
        sid = f"PA_{who}_{which}"
        if what in ("joins", "leaves"):
            left_at = now if what == "leaves" else None
            row = ParticipantRow(session.id, sid, accounts[who].id, now, left_at)
            await upsert_participants(db, tenant_id, [row])
        elif what == "ends":
            await sessions.end_session(db, tenant_id, session.id, now)
        elif what == "room closes":
            await sessions.end_session_in_room(db, tenant_id, f"RM_{which}", now)
        elif what == "closes ended":
            await close_stays_of_ended_sessions(db, tenant_id)
        elif await sessions.find_active_session(db, tenant_id, room.id) is None:
            continue
        elif what == "changes lesson":
            lesson = lessons[which]
            await rooms.store_lesson_change(db, room, accounts[who], lesson.id, now=now)
        elif what == "dispatches":
            await leases.begin_next_epoch(db, tenant_id, session.id, now)
        else:
            await sessions.record_resumed_room_sid(db, tenant_id, session.id, f"RM_{second}", now)
    events = await list_events(db, tenant_id, session.id)
    assert first_broken_seq(events, await find_event_head(db, tenant_id, session.id)) is None
    assert folded(events) == await live(db, tenant_id, session.id)
    await example.rollback()


def folded(events: Sequence[SessionEvent]) -> dict[str, Any]:
    """The state according to the log."""
    view = fold_session(events)
    return {
        "status": view.status,
        "kind": view.kind,
        "room_id": view.room_id,
        "room_sid": view.room_sid,
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "agent_epoch": view.agent_epoch,
        "present": dict(view.present),
        "lessons": dict(view.lessons),
    }


async def live(db: Connection, tenant_id: UUID, session_id: UUID) -> dict[str, Any]:
    """The state according to the rows; a lesson counts from its first change in the room."""
    session = await sessions.find_session(db, tenant_id, session_id)
    assert session is not None
    present = await db.fetch(
        """select p.sid, a.identity from livekit_participants p join accounts a on a.id = account_id
           where p.session_id = $1 and p.left_at is null""",
        session_id,
    )
    changed = {
        event.payload["identity"]
        for event in await list_events(db, tenant_id, session_id)
        if event.type == "lesson.changed"
    }
    members = await list_members(db, tenant_id, session.room_id)
    lessons = {one.identity: one.lesson_id for one in members}
    names = ("status", "kind", "room_id", "room_sid", "started_at", "ended_at")
    last = await leases.select_dispatch(db, tenant_id, session_id)
    return {name: getattr(session, name) for name in names} | {
        "agent_epoch": last.epoch,
        "present": {row["sid"]: row["identity"] for row in present},
        "lessons": {who: lesson for who, lesson in lessons.items() if who in changed},
    }


@pytest.mark.parametrize("begin", [0, 1])
async def test_log_without_its_first_event_cannot_be_folded(
    db: Connection, tenant_id: UUID, begin: int
) -> None:
    session_id = await make_session(db, tenant_id)
    await leases.begin_next_epoch(db, tenant_id, session_id, NOW)
    events = await list_events(db, tenant_id, session_id)
    with pytest.raises(ValueError, match="log"):
        fold_session(events[1:] if begin else [])
