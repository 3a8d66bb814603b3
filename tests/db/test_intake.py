"""Webhooks take effect once and none is lost, with the watcher's role."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from db import Pool, create_pool, tenant_tx
from db.attendance import upsert_participants
from db.local_inbox import LocalInbox, MediaEvent
from db.sessions import find_session, insert_session
from db.stays import FINISHED, JOINED, LEFT, ParticipantRow
from tests.conftest import Database
from tests.db.attendance_parts import (
    CLOSED_S,
    ROOM,
    STAYS,
    begin_committed,
    came_and_went,
    logged,
    of_accounts,
    people,
    person,
    recorded,
    stored,
    truth,
)
from tests.db.rows import NOW, at, make_room
from tests.soak import SOAK
from watch.webhook_intake import BATCH, WebhookIntake

OUTAGE_EVENTS = 1_000 if SOAK else 200


@pytest.fixture
async def watching(database: Database) -> AsyncIterator[Pool]:
    """The watcher's pool."""
    pool = await create_pool(database.dsn("bodh_watch"))
    yield pool
    await pool.close()


@pytest.fixture
async def inbox(tmp_path: Path) -> Any:
    inbox = LocalInbox(tmp_path / "inbox" / "inbox.sqlite3")
    yield inbox
    await inbox.close()


async def test_inbox_keeps_an_event_once_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "inbox" / "inbox.sqlite3"
    first = LocalInbox(path)
    event = recorded()[2]
    assert [await first.put_event(event), await first.put_event(event)] == [True, False]
    await first.close()
    second = LocalInbox(path)
    (webhook,) = await second.list_waiting(10)
    assert webhook.event == event
    await second.mark_drained([webhook])
    assert await second.list_waiting(10) == []
    assert not await second.put_event(event)
    assert await second.oldest_waiting_s() == 0
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    await second.close()


async def test_events_of_an_outage_take_effect_once_when_postgres_is_back(
    pool: Pool, watching: Pool, tenant_id: UUID, inbox: LocalInbox, tmp_path: Path
) -> None:
    room, _, accounts = await begin_committed(pool, tenant_id)
    badr = accounts["l_badr"].identity
    for number in range(OUTAGE_EVENTS // 2):
        joined = person(JOINED, f"PA_{number}", badr, number, number)
        left = person(LEFT, f"PA_{number}", badr, number, number + 0.5)
        await inbox.put_event(replace(joined, room=room))
        await inbox.put_event(replace(left, room=room))
    away = await create_pool(f"postgresql://bodh_watch@/bodh?host={tmp_path}")
    trying = asyncio.create_task(WebhookIntake(inbox, away).run())
    while await inbox.oldest_waiting_s() < 0.6:
        assert not trying.done()
        await asyncio.sleep(0.05)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    await away.close()
    intake = WebhookIntake(inbox, watching)
    taken: list[int] = []
    while not taken or taken[-1]:
        taken.append(await intake.apply_batch())
    async with tenant_tx(pool, tenant_id) as db:
        rows = await stored(db, tenant_id)
        kept = await db.fetchval("select count(*) from webhook_events")
    assert (sum(taken), max(taken), kept) == (OUTAGE_EVENTS, BATCH, OUTAGE_EVENTS)
    assert [went - came for _, _, came, went in rows] == [0.5] * (OUTAGE_EVENTS // 2)


async def test_events_in_the_inboxes_of_two_hosts_take_effect_once(
    pool: Pool, watching: Pool, tenant_id: UUID, inbox: LocalInbox, tmp_path: Path
) -> None:
    room, session_id, accounts = await begin_committed(pool, tenant_id)
    other = LocalInbox(tmp_path / "other" / "inbox.sqlite3")
    for event in of_accounts(recorded(), accounts):
        await inbox.put_event(replace(event, room=room))
        await other.put_event(replace(event, room=room))
    taken = await asyncio.gather(
        *(WebhookIntake(box, watching).apply_batch() for box in (inbox, other))
    )
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


async def test_people_reported_by_drainer_and_watcher_are_logged_once(
    pool: Pool, watching: Pool, database: Database, tenant_id: UUID, inbox: LocalInbox
) -> None:
    room, session_id, accounts = await begin_committed(pool, tenant_id)
    for event in of_accounts(recorded(), accounts):
        await inbox.put_event(replace(event, room=room))
    rows = [
        ParticipantRow(
            session_id, sid, accounts[who].id, at(came), None if went is None else at(went)
        )
        for sid, who, came, went in STAYS
    ]
    drain = await create_pool(database.dsn("bodh_drain"))

    async def store() -> None:
        async with tenant_tx(drain, tenant_id) as db:
            await upsert_participants(db, tenant_id, rows)

    await asyncio.gather(store(), WebhookIntake(inbox, watching).apply_batch(), store())
    await drain.close()
    async with tenant_tx(pool, tenant_id) as db:
        log = await logged(db, tenant_id, session_id)
    once = [*came_and_went(*(sid for sid, *_ in STAYS)), ("session.ended", "")]
    assert sorted(log) == sorted(once)


async def test_event_that_arrives_before_its_session_waits_for_it(
    pool: Pool, watching: Pool, tenant_id: UUID, inbox: LocalInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watch.webhook_intake.EARLY_S", 0.0)
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id)
        accounts = await people(db, tenant_id)
    (joined,) = of_accounts([person(JOINED, "PA_2", "l_badr", 10.5, 10)], accounts)
    await inbox.put_event(replace(joined, room=room.name))
    intake = WebhookIntake(inbox, watching)
    await intake.apply_batch()
    async with tenant_tx(pool, tenant_id) as db:
        await insert_session(db, tenant_id, room.id, ROOM, at(0))
    await intake.apply_batch()
    async with tenant_tx(pool, tenant_id) as db:
        assert await stored(db, tenant_id) == [("PA_2", "l_badr", 10.5, 0)]
    assert await inbox.list_waiting(10) == []


async def test_events_of_unknown_rooms_are_dropped(
    pool: Pool, watching: Pool, inbox: LocalInbox, tenant_id: UUID
) -> None:
    await inbox.put_event(MediaEvent("EV_1", "ingress_started", NOW))
    await inbox.put_event(person(JOINED, "PA_1", "l_amina", 1, 1))
    await inbox.put_event(MediaEvent("EV_2", FINISHED, NOW, str(uuid4()), "RM_9"))
    assert await WebhookIntake(inbox, watching).apply_batch() == 3
    assert await inbox.list_waiting(10) == []
    async with tenant_tx(pool, tenant_id) as db:
        assert await db.fetchval("select count(*) from webhook_events") == 0


async def test_unknown_event_of_a_known_room_counts_as_processed(
    pool: Pool, watching: Pool, tenant_id: UUID, inbox: LocalInbox
) -> None:
    room, _, _ = await begin_committed(pool, tenant_id)
    await inbox.put_event(MediaEvent("EV_1", "room_repainted", NOW, room, ROOM))
    await WebhookIntake(inbox, watching).apply_batch()
    async with tenant_tx(pool, tenant_id) as db:
        kept = await db.fetchrow("select id, name, created_at from webhook_events")
    assert kept is not None
    assert tuple(kept) == ("EV_1", "room_repainted", NOW)
