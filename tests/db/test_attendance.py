"""Attendance in Postgres: joins, departures and ends from several sources, in any order."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from random import Random
from uuid import UUID

from db import Connection
from db.accounts import Account
from db.attendance import (
    MOST_JOINS,
    close_stays_of_ended_sessions,
    list_attendance_durations,
    reconcile_stays,
    upsert_participants,
)
from db.local_inbox import MediaEvent
from db.sessions import end_session, find_session, insert_session, record_resumed_room_sid
from db.stays import AGENT, FINISHED, JOINED, LEFT, ParticipantRow, Stay
from db.webhooks import apply_joins_and_departures, apply_room_end
from tests.db.attendance_parts import (
    CLOSED_S,
    ROOM,
    STAYS,
    begin,
    came_and_went,
    logged,
    of_accounts,
    person,
    recorded,
    shuffled,
    stored,
    truth,
)
from tests.db.rows import at
from tests.soak import SOAK

STORED_CASES = 500 if SOAK else 10


async def apply(db: Connection, tenant_id: UUID, events: list[MediaEvent]) -> None:
    """Applies one batch like the intake."""
    await apply_joins_and_departures(
        db, tenant_id, [event for event in events if event.name != FINISHED]
    )
    for event in events:
        if event.name == FINISHED:
            await apply_room_end(db, tenant_id, event)


async def test_batches_in_any_order_store_the_same_attendance(
    db: Connection, tenant_id: UUID
) -> None:
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


async def test_several_connections_of_a_person_count_once(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await apply(db, tenant_id, of_accounts(recorded(), accounts))
    lasted = await list_attendance_durations(db, tenant_id, session_id, at(900))
    assert lasted == {
        accounts["l_amina"].id: timedelta(seconds=200 - 2.25 + 1),  # two tabs count once
        accounts["l_badr"].id: timedelta(seconds=300 - 10.5),
        accounts["m_otto"].id: timedelta(seconds=CLOSED_S - 0.5),
    }


async def test_open_stay_lasts_until_now(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    joined = [event for event in recorded() if event.name == JOINED and event.sid == "PA_2"]
    await apply(db, tenant_id, of_accounts(joined, accounts))
    badr = accounts["l_badr"].id
    assert await list_attendance_durations(db, tenant_id, session_id, at(40)) == {
        badr: timedelta(seconds=29.5)
    }
    assert await list_attendance_durations(db, tenant_id, session_id, at(0)) == {badr: timedelta(0)}


async def test_agent_and_media_server_may_report_in_any_order(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    amina = accounts["l_amina"].id
    sources: list[ParticipantRow | MediaEvent] = [
        ParticipantRow(session_id, "PA_1", amina, at(3.1), None),  # the agent noticed her late
        ParticipantRow(session_id, "PA_1", amina, at(3.1), at(75)),  # and was then frozen
        of_accounts([person(JOINED, "PA_1", "l_amina", 2.25, 2)], accounts)[0],
        of_accounts([person(LEFT, "PA_1", "l_amina", 2.25, 60)], accounts)[0],
    ]
    for order in permutations(sources):
        transaction = db.transaction()
        await transaction.start()
        for source in order:
            if isinstance(source, ParticipantRow):
                await upsert_participants(db, tenant_id, [source])
            else:
                await apply(db, tenant_id, [source])
        assert await stored(db, tenant_id) == [("PA_1", "l_amina", 2.25, 60)]
        assert await logged(db, tenant_id, session_id) == came_and_went("PA_1")
        await transaction.rollback()


async def test_later_departure_of_two_agents_wins(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    amina = accounts["l_amina"].id
    first = ParticipantRow(session_id, "PA_1", amina, at(3.1), at(60))
    second = ParticipantRow(session_id, "PA_1", amina, at(20), at(61.5))
    for order in ([first, second], [second, first], [second, first, second]):
        transaction = db.transaction()
        await transaction.start()
        await upsert_participants(db, tenant_id, order)
        assert await stored(db, tenant_id) == [("PA_1", "l_amina", 3.1, 61.5)]
        await transaction.rollback()


async def test_second_delivery_changes_nothing(db: Connection, tenant_id: UUID) -> None:
    _, accounts = await begin(db, tenant_id)
    events = of_accounts(recorded(), accounts)
    await apply(db, tenant_id, events)
    await db.execute("update livekit_participants set left_at = joined_at, left_told = 0")
    await apply(db, tenant_id, events)
    assert all(came == went for _, _, came, went in await stored(db, tenant_id))
    assert await db.fetchval("select count(*) from webhook_events") == len(events)


async def test_session_in_a_new_room_does_not_end_with_the_old_one(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await record_resumed_room_sid(db, tenant_id, session_id, "RM_2", at(300))
    await apply(db, tenant_id, of_accounts(recorded(), accounts))
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    assert session.status == "active"
    # events of the old room still count
    assert [stay[:3] for stay in await stored(db, tenant_id)] == [stay[:3] for stay in truth()]


async def test_late_events_do_not_reopen_a_session(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await end_session(db, tenant_id, session_id, at(100))
    await apply(db, tenant_id, of_accounts(recorded(), accounts))
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    assert (session.status, session.ended_at) == ("completed", at(100))
    joins = [stay for stay in await stored(db, tenant_id) if stay[2] < 100]
    assert ("PA_5", "m_otto", 0.5, 100) in joins
    lasted = await list_attendance_durations(db, tenant_id, session_id, at(900))
    assert lasted[accounts["l_badr"].id] == timedelta(seconds=100 - 10.5)


async def test_stay_across_two_sessions_counts_in_both(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await end_session(db, tenant_id, session_id, at(100))
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    following = await insert_session(db, tenant_id, session.room_id, ROOM, at(120))
    left = person(LEFT, "PA_2", "l_badr", 10.5, 300)
    await apply(db, tenant_id, of_accounts([left], accounts))
    badr = accounts["l_badr"].id
    lasted = [
        await list_attendance_durations(db, tenant_id, one, at(900))
        for one in (session_id, following.id)
    ]
    assert lasted == [{badr: timedelta(seconds=89.5)}, {badr: timedelta(seconds=180)}]


async def test_participant_without_an_account_is_not_stored(
    db: Connection, tenant_id: UUID
) -> None:
    await begin(db, tenant_id)
    await apply(db, tenant_id, [person(JOINED, "PA_9", "l_nobody", 1, 1)])
    assert await stored(db, tenant_id) == []


# reconciling


def listed(accounts: dict[str, Account], sid: str, who: str, came_s: float) -> Stay:
    return Stay(sid, ROOM, accounts[who].identity, at(came_s))


async def test_reconcile_closes_lost_departures_and_adds_lost_joins(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    joins = [event for event in recorded() if event.name == JOINED and event.sid != "PA_2"]
    await apply(db, tenant_id, of_accounts(joins, accounts))
    here = [listed(accounts, "PA_2", "l_badr", 10.5), listed(accounts, "PA_5", "m_otto", 0.5)]
    closed = await reconcile_stays(db, tenant_id, session_id, here, at(255))
    assert closed == 2
    rows = {sid: went for sid, _, _, went in await stored(db, tenant_id)}
    # PA_4 may have come after the list was made, so it stays until the next list
    assert rows == {"PA_1": 255, "PA_2": 0, "PA_3": 255, "PA_4": 0, "PA_5": 0}
    # the late departure overrules the inferred one
    left = [person(LEFT, "PA_1", "l_amina", 2.25, 60)]
    await apply(db, tenant_id, of_accounts(left, accounts))
    assert {sid: went for sid, _, _, went in await stored(db, tenant_id)}["PA_1"] == 60


async def test_reconcile_reopens_stays_that_a_disconnected_agent_closed(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    gone = ParticipantRow(session_id, "PA_2", accounts["l_badr"].id, at(10.5), at(30), AGENT)
    await upsert_participants(db, tenant_id, [gone])
    here = [listed(accounts, "PA_2", "l_badr", 10.5)]
    await reconcile_stays(db, tenant_id, session_id, here, at(45))
    assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 0)]
    await reconcile_stays(db, tenant_id, session_id, [], at(60))
    assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 60)]
    assert await logged(db, tenant_id, session_id) == came_and_went("PA_2")


async def test_reconcile_logs_the_joins_and_departures_it_finds(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    here = [listed(accounts, "PA_2", "l_badr", 10.5), listed(accounts, "PA_1", "l_amina", 2.25)]
    for present, second in ((here, 45), (here[1:], 60), ([], 75), ([], 90)):
        await reconcile_stays(db, tenant_id, session_id, present, at(second))
    left = [person(LEFT, "PA_2", "l_badr", 10.5, 50)]
    await apply(db, tenant_id, of_accounts(left, accounts))
    assert await logged(db, tenant_id, session_id) == [
        ("participant.joined", "PA_1"),
        ("participant.joined", "PA_2"),
        ("participant.left", "PA_2"),
        ("participant.left", "PA_1"),
    ]


async def test_joining_again_and_again_does_not_fill_the_log(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    amina, badr = accounts["l_amina"], accounts["l_badr"]
    for second in range(60):
        sid = f"PA_{second:02}"
        joined = of_accounts([person(JOINED, sid, "l_amina", second, second)], accounts)
        left = ParticipantRow(session_id, sid, amina.id, at(second), at(second + 0.5))
        await apply(db, tenant_id, joined)
        await upsert_participants(db, tenant_id, [left])
    await upsert_participants(
        db, tenant_id, [ParticipantRow(session_id, "PA_b", badr.id, at(60), None)]
    )
    kept = [f"PA_{second:02}" for second in range(MOST_JOINS)]
    assert await logged(db, tenant_id, session_id) == [
        *came_and_went(*kept),
        ("participant.joined", "PA_b"),
    ]
    assert len(await stored(db, tenant_id)) == 61


async def test_a_connection_that_lasts_is_logged_after_any_number_of_others(
    db: Connection, tenant_id: UUID
) -> None:
    session_id, accounts = await begin(db, tenant_id)
    amina = accounts["l_amina"]
    rows = [
        ParticipantRow(session_id, f"PA_{second:02}", amina.id, at(second), at(second + 0.5))
        for second in range(30)
    ]
    await upsert_participants(db, tenant_id, [*rows[:-1], replace(rows[-1], left_at=None)])
    here = Stay("PA_29", ROOM, amina.identity, at(29))
    await reconcile_stays(db, tenant_id, session_id, [here], at(45))
    await upsert_participants(db, tenant_id, rows)
    kept = [f"PA_{second:02}" for second in range(MOST_JOINS)]
    log = await logged(db, tenant_id, session_id)
    assert log == came_and_went(*kept, "PA_29")


async def test_joins_are_all_logged_again_a_minute_later(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    rows = [
        ParticipantRow(session_id, f"PA_{n:02}", accounts["l_amina"].id, at(7 * n), at(7 * n + 1))
        for n in range(40)  # at most nine in a minute
    ]
    await upsert_participants(db, tenant_id, rows)
    assert await logged(db, tenant_id, session_id) == came_and_went(*(row.sid for row in rows))


async def test_open_stays_of_an_ended_session_are_closed(db: Connection, tenant_id: UUID) -> None:
    session_id, accounts = await begin(db, tenant_id)
    await end_session(db, tenant_id, session_id, at(100))
    late = ParticipantRow(session_id, "PA_2", accounts["l_badr"].id, at(10.5), None)
    await upsert_participants(db, tenant_id, [late])
    await close_stays_of_ended_sessions(db, tenant_id)
    assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 100)]
    late_log = [("session.ended", ""), *came_and_went("PA_2")]
    assert await logged(db, tenant_id, session_id) == late_log


# the inbox
