"""Attendance: a fold over the media server's events, whatever their order, repeats and losses."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import Connection as Database
from db import Pool, create_pool, tenant_tx
from db.accounts import Account
from db.attendance import (
    AGENT,
    FINISHED,
    JOINED,
    LEFT,
    Connection,
    Participant,
    close_ended,
    durations,
    fold,
    length,
    list_durations,
    reconcile,
    upsert_participants,
)
from db.events import find_head, list_events, verify_chain
from db.inbox import Event, Inbox
from db.sessions import end_session, find_session, insert_session, update_room_sid
from db.webhooks import BATCH, Intake, apply_end, apply_presence
from tests.conftest import Database as Server
from tests.db.rows import NOW, at, make_learner, make_room
from tests.soak import SOAK

CASES = 20_000 if SOAK else 1_000
STORED_CASES = 500 if SOAK else 10
OUTAGE_EVENTS = 1_000 if SOAK else 200
ROOM = "RM_1"

# who, when they came and went (None: they stayed until the room closed at 600 s)
STAYS: list[tuple[str, str, float, float | None]] = [
    ("PA_1", "l_amina", 2.25, 60),
    ("PA_2", "l_badr", 10.5, 300),
    ("PA_3", "l_amina", 55.125, 200),  # the second tab opens before the first one closes
    ("PA_4", "l_amina", 250, 251),
    ("PA_5", "m_otto", 0.5, None),
]
CLOSED_S = 600.0


def person(name: str, sid: str, identity: str, joined_s: float, made_s: float) -> Event:
    """An event about somebody."""
    return Event(
        f"EV_{name}_{sid}", name, at(made_s), "room", ROOM, sid, identity, False, at(joined_s)
    )


def recorded() -> list[Event]:
    """All events of a session in their order, an agent's and tracks included."""
    agent = person(JOINED, "PA_a", "a_session_1", 1, 1)
    events = [Event("EV_start", "room_started", at(0), "room", ROOM), replace(agent, agent=True)]
    for sid, identity, came_s, went_s in STAYS:
        events.append(person(JOINED, sid, identity, came_s, int(came_s)))
        events.append(replace(person("track_published", sid, identity, 0, came_s), joined_at=None))
        if went_s is not None:
            events.append(person(LEFT, sid, identity, came_s, went_s))
    left = replace(person(LEFT, "PA_a", "a_session_1", 1, CLOSED_S), agent=True)
    events += [left, Event("EV_end", FINISHED, at(CLOSED_S), "room", ROOM)]
    return sorted(events, key=lambda event: event.at)


def truth() -> list[tuple[str, str, float, float]]:
    """What the events must come to."""
    stays = [(sid, who, came, CLOSED_S if went is None else went) for sid, who, came, went in STAYS]
    return sorted(stays, key=lambda stay: stay[2])


def seen(connections: list[Connection]) -> list[tuple[str, str, float, float]]:
    """Connections in the form of `truth`."""
    return [
        (
            one.sid,
            one.identity,
            (one.joined_at - NOW).total_seconds(),
            ((one.left_at or NOW) - NOW).total_seconds(),
        )
        for one in connections
    ]


def bounded(test: Callable[..., Any]) -> Any:
    return settings(
        max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(test)


def shuffled(random: Random) -> list[Event]:
    """The recorded events in any order, some doubled, joins lost of whom the departure is told."""
    events = recorded()
    told = {event.sid for event in events if event.name == LEFT}
    kept = [
        event
        for event in events
        if not (event.name == JOINED and event.sid in told and random.random() < 0.3)
    ]
    kept += random.choices(kept, k=random.randrange(len(kept)))
    random.shuffle(kept)
    return kept


@bounded
@given(st.randoms(use_true_random=False))
def test_any_order_with_doubles_and_lost_joins_is_the_truth(random: Random) -> None:
    assert seen(fold(shuffled(random))) == truth()


@bounded
@given(st.randoms(use_true_random=False))
def test_lost_departures_only_lengthen_a_stay_to_the_end_of_the_room(random: Random) -> None:
    events = recorded()
    lost = {event.sid for event in events if event.name == LEFT and random.random() < 0.5}
    kept = [event for event in events if not (event.name == LEFT and event.sid in lost)]
    random.shuffle(kept)
    expected = [
        (sid, who, came, CLOSED_S if sid in lost else went) for sid, who, came, went in truth()
    ]
    assert seen(fold(kept)) == expected


def test_a_person_counts_once_however_many_connections_they_have() -> None:
    assert durations(fold(recorded()), at(CLOSED_S)) == {
        "l_amina": timedelta(seconds=200 - 2.25 + 1),
        "l_badr": timedelta(seconds=300 - 10.5),
        "m_otto": timedelta(seconds=CLOSED_S - 0.5),
    }


def test_who_is_still_there_counts_until_now() -> None:
    events = [event for event in recorded() if event.name == JOINED and event.sid == "PA_2"]
    assert durations(fold(events), at(40)) == {"l_badr": timedelta(seconds=29.5)}
    assert durations(fold(events), at(0)) == {"l_badr": timedelta(0)}


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0),
        ([(0, 10)], 10),
        ([(0, 10), (10, 20)], 20),
        ([(0, 10), (5, 7)], 10),
        ([(5, 7), (0, 6), (20, 21)], 8),
        ([(3, 3)], 0),
    ],
)
def test_the_length_of_a_union(intervals: list[tuple[int, int]], expected: int) -> None:
    moments = [(at(start), at(end)) for start, end in intervals]
    assert length(moments) == timedelta(seconds=expected)


# in Postgres


async def people(db: Database, tenant_id: UUID) -> dict[str, Account]:
    """Accounts with the names of the recorded identities."""
    names = ("l_amina", "l_badr", "m_otto")
    return {name: await make_learner(db, tenant_id, name) for name in names}


def of_accounts(events: list[Event], accounts: dict[str, Account]) -> list[Event]:
    """The events with the identities of real accounts."""
    return [
        replace(event, identity=accounts[event.identity].identity)
        if event.identity in accounts
        else event
        for event in events
    ]


async def begin(db: Database, tenant_id: UUID) -> tuple[UUID, dict[str, Account]]:
    """A session that runs in the room of the events, and its people."""
    room = await make_room(db, tenant_id)
    session = await insert_session(db, tenant_id, room.id, ROOM, at(0))
    return session.id, await people(db, tenant_id)


async def stored(db: Database, tenant_id: UUID) -> list[tuple[str, str, float, float]]:
    """The rows in the form of `truth`."""
    rows = await db.fetch(
        """select p.sid, a.subject, p.joined_at, p.left_at from livekit_participants p
           join accounts a on a.tenant_id = p.tenant_id and a.id = p.account_id
           where p.tenant_id = $1 order by p.joined_at""",
        tenant_id,
    )
    return [
        (
            row["sid"],
            row["subject"].removeprefix("dev:"),
            (row["joined_at"] - NOW).total_seconds(),
            ((row["left_at"] or NOW) - NOW).total_seconds(),
        )
        for row in rows
    ]


async def logged(db: Database, tenant_id: UUID, session_id: UUID) -> list[tuple[str, str]]:
    """What the log of the session has behind its start, with whom: an unbroken log."""
    events = await list_events(db, tenant_id, session_id)
    assert verify_chain(events, await find_head(db, tenant_id, session_id)) is None
    return [(event.type, event.payload.get("sid", "")) for event in events[1:]]


def came_and_went(*sids: str) -> list[tuple[str, str]]:
    """One join and one departure of each."""
    return [(kind, sid) for sid in sids for kind in ("participant.joined", "participant.left")]


async def apply(db: Database, tenant_id: UUID, events: list[Event]) -> None:
    """One batch, as the intake applies it."""
    await apply_presence(db, tenant_id, [event for event in events if event.name != FINISHED])
    for event in events:
        if event.name == FINISHED:
            await apply_end(db, tenant_id, event)


async def test_any_batches_in_any_order_store_the_truth(db: Database, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    for case in range(STORED_CASES):
        transaction = db.transaction()
        await transaction.start()
        random = Random(case)  # noqa: S311 a case, no secret
        events = of_accounts(shuffled(random), accounts)
        while events:
            cut = random.randrange(1, 6)
            await apply(db, tenant_id, events[:cut])
            events = events[cut:]
        assert await stored(db, tenant_id) == truth(), case
        session = await find_session(db, tenant_id, session_id)
        assert session is not None
        assert (session.status, session.ended_at) == ("completed", at(CLOSED_S)), case
        log = await logged(db, tenant_id, session_id)
        once = came_and_went(*(sid for sid, *_ in STAYS))
        assert sorted(log) == sorted([*once, ("session.ended", "")]), case
        for sid, *_ in STAYS:
            assert [one for one in log if one[1] == sid] == came_and_went(sid), case
        await transaction.rollback()


async def test_the_rows_last_as_long_as_the_fold_says(db: Database, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await apply(db, tenant_id, of_accounts(recorded(), accounts))
    expected = {
        accounts[who].id: lasted for who, lasted in durations(fold(recorded()), NOW).items()
    }
    assert await list_durations(db, tenant_id, session_id, at(900)) == expected


async def test_the_agent_and_the_media_server_agree_in_any_order(
    db: Database, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    amina = accounts["l_amina"].id
    sources: list[Participant | Event] = [
        Participant(session_id, "PA_1", amina, at(3.1), None),  # the agent saw her late
        Participant(session_id, "PA_1", amina, at(3.1), at(75)),  # and was frozen meanwhile
        of_accounts([person(JOINED, "PA_1", "l_amina", 2.25, 2)], accounts)[0],
        of_accounts([person(LEFT, "PA_1", "l_amina", 2.25, 60)], accounts)[0],
    ]
    for order in permutations(sources):
        transaction = db.transaction()
        await transaction.start()
        for source in order:
            if isinstance(source, Participant):
                await upsert_participants(db, tenant_id, [source])
            else:
                await apply(db, tenant_id, [source])
        assert await stored(db, tenant_id) == [("PA_1", "l_amina", 2.25, 60)]
        assert await logged(db, tenant_id, session_id) == came_and_went("PA_1")
        await transaction.rollback()


async def test_of_two_agents_the_later_departure_holds(db: Database, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    amina = accounts["l_amina"].id
    first = Participant(session_id, "PA_1", amina, at(3.1), at(60))
    second = Participant(session_id, "PA_1", amina, at(20), at(61.5))
    for order in ([first, second], [second, first], [second, first, second]):
        transaction = db.transaction()
        await transaction.start()
        await upsert_participants(db, tenant_id, order)
        assert await stored(db, tenant_id) == [("PA_1", "l_amina", 3.1, 61.5)]
        await transaction.rollback()


async def test_a_second_delivery_has_no_second_effect(db: Database, tenant_id: UUID) -> None:
    _, accounts = await begin(db, tenant_id)
    events = of_accounts(recorded(), accounts)
    await apply(db, tenant_id, events)
    await db.execute("update livekit_participants set left_at = joined_at, left_told = 0")
    await apply(db, tenant_id, events)
    assert all(came == went for _, _, came, went in await stored(db, tenant_id))
    assert await db.fetchval("select count(*) from webhook_events") == len(events)


async def test_a_session_that_moved_on_does_not_end_with_its_old_room(
    db: Database, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await update_room_sid(db, tenant_id, session_id, "RM_2", at(300))
    await apply(db, tenant_id, of_accounts(recorded(), accounts))
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    assert session.status == "active"
    # what is told of the old room still counts
    assert [stay[:3] for stay in await stored(db, tenant_id)] == [stay[:3] for stay in truth()]


async def test_late_events_do_not_reopen_a_session(db: Database, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await end_session(db, tenant_id, session_id, at(100))
    await apply(db, tenant_id, of_accounts(recorded(), accounts))
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    assert (session.status, session.ended_at) == ("completed", at(100))
    joins = [stay for stay in await stored(db, tenant_id) if stay[2] < 100]
    assert ("PA_5", "m_otto", 0.5, 100) in joins
    lasted = await list_durations(db, tenant_id, session_id, at(900))
    assert lasted[accounts["l_badr"].id] == timedelta(seconds=100 - 10.5)


async def test_who_stays_for_the_next_session_of_a_room_is_in_both(
    db: Database, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await end_session(db, tenant_id, session_id, at(100))
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    following = await insert_session(db, tenant_id, session.room_id, ROOM, at(120))
    left = person(LEFT, "PA_2", "l_badr", 10.5, 300)
    await apply(db, tenant_id, of_accounts([left], accounts))
    badr = accounts["l_badr"].id
    lasted = [
        await list_durations(db, tenant_id, one, at(900)) for one in (session_id, following.id)
    ]
    assert lasted == [{badr: timedelta(seconds=89.5)}, {badr: timedelta(seconds=180)}]


async def test_nobody_without_an_account_is_stored(db: Database, tenant_id: UUID) -> None:
    await begin(db, tenant_id)
    await apply(db, tenant_id, [person(JOINED, "PA_9", "l_nobody", 1, 1)])
    assert await stored(db, tenant_id) == []


# the list of who is there


def listed(accounts: dict[str, Account], sid: str, who: str, came_s: float) -> Connection:
    return Connection(sid, ROOM, accounts[who].identity, at(came_s))


async def test_the_list_closes_who_left_unnoticed_and_adds_who_came_so(
    db: Database, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    joins = [event for event in recorded() if event.name == JOINED and event.sid != "PA_2"]
    await apply(db, tenant_id, of_accounts(joins, accounts))
    here = [listed(accounts, "PA_2", "l_badr", 10.5), listed(accounts, "PA_5", "m_otto", 0.5)]
    closed = await reconcile(db, tenant_id, session_id, here, at(255))
    assert closed == 2
    rows = {sid: went for sid, _, _, went in await stored(db, tenant_id)}
    # PA_4 came when the list may have been on its way: the next one tells
    assert rows == {"PA_1": 255, "PA_2": 0, "PA_3": 255, "PA_4": 0, "PA_5": 0}
    # the departure that comes after all tells better
    left = [person(LEFT, "PA_1", "l_amina", 2.25, 60)]
    await apply(db, tenant_id, of_accounts(left, accounts))
    assert {sid: went for sid, _, _, went in await stored(db, tenant_id)}["PA_1"] == 60


async def test_the_list_opens_whom_a_cut_off_agent_took_for_gone(
    db: Database, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    gone = Participant(session_id, "PA_2", accounts["l_badr"].id, at(10.5), at(30), AGENT)
    await upsert_participants(db, tenant_id, [gone])
    here = [listed(accounts, "PA_2", "l_badr", 10.5)]
    await reconcile(db, tenant_id, session_id, here, at(45))
    assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 0)]
    await reconcile(db, tenant_id, session_id, [], at(60))
    assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 60)]
    assert await logged(db, tenant_id, session_id) == came_and_went("PA_2")


async def test_the_list_logs_who_came_and_went_unnoticed(db: Database, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    here = [listed(accounts, "PA_2", "l_badr", 10.5), listed(accounts, "PA_1", "l_amina", 2.25)]
    for present, second in ((here, 45), (here[1:], 60), ([], 75), ([], 90)):
        await reconcile(db, tenant_id, session_id, present, at(second))
    left = [person(LEFT, "PA_2", "l_badr", 10.5, 50)]
    await apply(db, tenant_id, of_accounts(left, accounts))
    assert await logged(db, tenant_id, session_id) == [
        ("participant.joined", "PA_1"),
        ("participant.joined", "PA_2"),
        ("participant.left", "PA_2"),
        ("participant.left", "PA_1"),
    ]


async def test_who_is_open_in_an_ended_session_left_with_it(db: Database, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await end_session(db, tenant_id, session_id, at(100))
    late = Participant(session_id, "PA_2", accounts["l_badr"].id, at(10.5), None)
    await upsert_participants(db, tenant_id, [late])
    await close_ended(db, tenant_id)
    assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 100)]
    late_log = [("session.ended", ""), *came_and_went("PA_2")]
    assert await logged(db, tenant_id, session_id) == late_log


# the inbox


@pytest.fixture
async def inbox(tmp_path: Path) -> Any:
    inbox = Inbox(tmp_path / "inbox" / "inbox.sqlite3")
    yield inbox
    await inbox.close()


async def begin_committed(pool: Pool, tenant_id: UUID) -> tuple[str, UUID, dict[str, Account]]:
    """The same as `begin`, for several connections: the room's name too."""
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id)
        session = await insert_session(db, tenant_id, room.id, ROOM, at(0))
        return room.name, session.id, await people(db, tenant_id)


async def test_the_inbox_keeps_an_event_once_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "inbox" / "inbox.sqlite3"
    first = Inbox(path)
    event = recorded()[2]
    assert [await first.put(event), await first.put(event)] == [True, False]
    await first.close()
    second = Inbox(path)
    (letter,) = await second.waiting(10)
    assert letter.event == event
    await second.mark_processed([letter])
    assert await second.waiting(10) == []
    assert not await second.put(event)
    assert await second.oldest_waiting_s() == 0
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    await second.close()


async def test_while_postgres_is_away_nothing_is_lost_and_later_all_happens_once(
    pool: Pool, tenant_id: UUID, inbox: Inbox, tmp_path: Path
) -> None:
    room, _, accounts = await begin_committed(pool, tenant_id)
    badr = accounts["l_badr"].identity
    for number in range(OUTAGE_EVENTS // 2):
        joined = person(JOINED, f"PA_{number}", badr, number, number)
        left = person(LEFT, f"PA_{number}", badr, number, number + 0.5)
        await inbox.put(replace(joined, room=room))
        await inbox.put(replace(left, room=room))
    away = await create_pool(f"postgresql://bodh_app@/bodh?host={tmp_path}")
    trying = asyncio.create_task(Intake(inbox, away).run())
    while await inbox.oldest_waiting_s() < 0.6:
        assert not trying.done()
        await asyncio.sleep(0.05)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    await away.close()
    intake = Intake(inbox, pool)
    taken: list[int] = []
    while not taken or taken[-1]:
        taken.append(await intake.take())
    async with tenant_tx(pool, tenant_id) as db:
        rows = await stored(db, tenant_id)
        kept = await db.fetchval("select count(*) from webhook_events")
    assert (sum(taken), max(taken), kept) == (OUTAGE_EVENTS, BATCH, OUTAGE_EVENTS)
    assert [went - came for _, _, came, went in rows] == [0.5] * (OUTAGE_EVENTS // 2)


async def test_two_token_servers_apply_the_same_events_once(
    pool: Pool, tenant_id: UUID, inbox: Inbox, tmp_path: Path
) -> None:
    room, session_id, accounts = await begin_committed(pool, tenant_id)
    other = Inbox(tmp_path / "other" / "inbox.sqlite3")
    for event in of_accounts(recorded(), accounts):
        await inbox.put(replace(event, room=room))
        await other.put(replace(event, room=room))
    taken = await asyncio.gather(*(Intake(box, pool).take() for box in (inbox, other)))
    assert taken == [len(recorded())] * 2
    async with tenant_tx(pool, tenant_id) as db:
        assert await stored(db, tenant_id) == truth()
        assert await db.fetchval("select count(*) from webhook_events") == len(recorded())
        session = await find_session(db, tenant_id, session_id)
        log = await logged(db, tenant_id, session_id)
    assert session is not None
    assert session.ended_at == at(CLOSED_S)
    once = [*came_and_went(*(sid for sid, *_ in STAYS)), ("session.ended", "")]
    assert sorted(log) == sorted(once)
    await other.close()


async def test_the_drainer_and_a_token_server_log_the_same_people_once(
    pool: Pool, database: Server, tenant_id: UUID, inbox: Inbox
) -> None:
    room, session_id, accounts = await begin_committed(pool, tenant_id)
    for event in of_accounts(recorded(), accounts):
        await inbox.put(replace(event, room=room))
    rows = [
        Participant(session_id, sid, accounts[who].id, at(came), None if went is None else at(went))
        for sid, who, came, went in STAYS
    ]
    drain = await create_pool(database.dsn("bodh_drain"))

    async def store() -> None:
        async with tenant_tx(drain, tenant_id) as db:
            await upsert_participants(db, tenant_id, rows)

    await asyncio.gather(store(), Intake(inbox, pool).take(), store())
    await drain.close()
    async with tenant_tx(pool, tenant_id) as db:
        log = await logged(db, tenant_id, session_id)
    once = [*came_and_went(*(sid for sid, *_ in STAYS)), ("session.ended", "")]
    assert sorted(log) == sorted(once)


async def test_an_event_that_comes_before_its_session_waits_for_it(
    pool: Pool, tenant_id: UUID, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.webhooks.EARLY_S", 0.0)
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id)
        accounts = await people(db, tenant_id)
    (joined,) = of_accounts([person(JOINED, "PA_2", "l_badr", 10.5, 10)], accounts)
    await inbox.put(replace(joined, room=room.name))
    intake = Intake(inbox, pool)
    await intake.take()
    async with tenant_tx(pool, tenant_id) as db:
        await insert_session(db, tenant_id, room.id, ROOM, at(0))
    await intake.take()
    async with tenant_tx(pool, tenant_id) as db:
        assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 0)]
    assert await inbox.waiting(10) == []


async def test_events_of_no_room_of_ours_are_done_with(
    pool: Pool, inbox: Inbox, tenant_id: UUID
) -> None:
    await inbox.put(Event("EV_1", "ingress_started", NOW))
    await inbox.put(person(JOINED, "PA_1", "l_amina", 1, 1))
    await inbox.put(Event("EV_2", FINISHED, NOW, str(uuid4()), "RM_9"))
    assert await Intake(inbox, pool).take() == 3
    assert await inbox.waiting(10) == []
    async with tenant_tx(pool, tenant_id) as db:
        assert await db.fetchval("select count(*) from webhook_events") == 0


async def test_an_unknown_event_of_a_room_is_kept_as_processed(
    pool: Pool, tenant_id: UUID, inbox: Inbox
) -> None:
    room, _, _ = await begin_committed(pool, tenant_id)
    await inbox.put(Event("EV_1", "room_repainted", NOW, room, ROOM))
    await Intake(inbox, pool).take()
    async with tenant_tx(pool, tenant_id) as db:
        kept = await db.fetchrow("select id, name, created_at from webhook_events")
    assert kept is not None
    assert tuple(kept) == ("EV_1", "room_repainted", NOW)
