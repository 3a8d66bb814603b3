"""The watcher on a real media server, with its own database role."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from livekit import api, rtc

import rooms
import watch.watcher
from db import Connection, NotFound, Pool, advisory_lock, create_pool, tenant_tx
from db.account_commands import block_person
from db.consents import withdraw_consents
from db.event_kinds import AgentLeft
from db.events import append_event
from db.leases import Lease, list_leases, take_dispatch, update_heartbeat
from protocol import agent_identity, parse_dispatch
from telemetry import alarms
from telemetry.restarting import run_restarting
from tests.conftest import Database
from tests.web.conftest import School
from watch.watcher import Watcher, keep_watch


@pytest.fixture
async def watch_pool(database: Database) -> AsyncIterator[Pool]:
    """The pool of the watcher's role."""
    pool = await create_pool(database.dsn("bodh_watch"))
    yield pool
    await pool.close()


@pytest.fixture
async def watcher(school: School, watch_pool: Pool) -> Watcher:
    return Watcher(school.settings, school.lk, watch_pool, school.clock)


@pytest.fixture
async def joined(school: School) -> AsyncIterator[Callable[[str, str], Any]]:
    """Joins rooms as the learner, or as an agent with this identity; leaves at the end."""
    inside: list[rtc.Room] = []

    async def join(page: Any, identity: str = "") -> rtc.Room:
        if identity:
            page = page | {"liveKitToken": agent_token(school, page["roomName"], identity)}
        inside.append(await school.join(page))
        return inside[-1]

    yield join
    for room in inside:
        await room.disconnect()


def agent_token(school: School, room_name: str, identity: str) -> str:
    secret = school.settings.livekit_api_secret.get_secret_value()
    token = api.AccessToken(school.settings.livekit_api_key, secret)
    grants = api.VideoGrants(room_join=True, room=room_name, agent=True)
    return token.with_identity(identity).with_kind("agent").with_grants(grants).to_jwt()


async def lease_of(school: School, pool: Pool) -> Lease:
    async with pool.acquire() as db, db.transaction():
        (lease,) = await list_leases(db, [school.tenant.id])
    return lease


async def live_agent(school: School, lease: Lease, epoch: int) -> bool:
    """One heartbeat, as the agent job of an epoch writes it."""
    async with tenant_tx(school.pool, school.tenant.id) as db:
        return await update_heartbeat(
            db, school.tenant.id, lease.session_id, epoch, school.clock.now
        )


async def epochs(school: School) -> list[int]:
    return sorted(d.epoch for d in map(parse_dispatch, await school.dispatches()) if d)


async def kinds(school: School) -> list[str]:
    rows = await school.rows("select type from session_state_events order by session_id, seq")
    return [row["type"] for row in rows]


async def test_silent_agent_is_removed_and_replaced(
    school: School, watcher: Watcher, watch_pool: Pool, joined: Any
) -> None:
    page = await school.open("Amina")
    old = await joined(page, agent_identity(UUID(page["sessionId"]), 1))
    gone = asyncio.Event()
    old.on("disconnected", lambda _reason: gone.set())
    lease = await lease_of(school, watch_pool)
    assert await live_agent(school, lease, 1)
    lease = await lease_of(school, watch_pool)
    assert await watcher.act_on_verdict(lease, "replace")
    await asyncio.wait_for(gone.wait(), 5)
    assert await epochs(school) == [1, 2]
    assert not await live_agent(school, lease, 1)
    assert await live_agent(school, lease, 2)
    assert (await kinds(school))[-2:] == ["agent.lost", "agent.dispatched"]


async def test_blocked_learner_is_removed_from_the_room_and_again_after_coming_back(
    school: School, watch_pool: Pool, joined: Any
) -> None:
    """The join token stays valid, so it works again, but not for long."""
    page = await school.open("Amina")
    other = await joined(await school.open("Badr"))
    for round_number in range(2):
        room = await joined(page)
        gone = asyncio.Event()
        room.on("disconnected", lambda _reason, gone=gone: gone.set())
        await rooms.reconcile_attendance(school.lk, watch_pool, school.clock)
        if round_number == 0:
            async with tenant_tx(school.pool, school.tenant.id) as db:
                await block_person(db, school.tenant.id, "Amina", school.clock.now)
        await rooms.remove_blocked_people(school.lk, watch_pool)
        await asyncio.wait_for(gone.wait(), 5)
        school.clock.pass_(seconds=60)
    assert other.isconnected()


async def test_people_who_have_not_agreed_are_removed_from_running_rooms(
    school: School, watch_pool: Pool, joined: Any
) -> None:
    """A join token outlives a consent, and a provider may change during a conversation."""
    page = await school.open("Amina")
    bilal = await joined(await school.open("Bilal"))
    gone = []
    for change in ("withdrawn", "new provider"):
        amina = await joined(page)
        left = asyncio.Event()
        amina.on("disconnected", lambda _reason, left=left: left.set())
        await rooms.reconcile_attendance(school.lk, watch_pool, school.clock)
        await rooms.remove_people_without_consent(school.settings, school.lk, watch_pool)
        assert amina.isconnected()
        if change == "withdrawn":
            async with tenant_tx(school.pool, school.tenant.id) as db:
                account = await school.account("Amina")
                await withdraw_consents(
                    db, school.tenant.id, account.id, ["tutor"], school.clock.now
                )
        else:
            school.settings.tts_base_url = "https://tts.example.org/v1"
            await school.agree(school.auth("Bilal"), "tutor", "provider")
        await rooms.remove_people_without_consent(school.settings, school.lk, watch_pool)
        await asyncio.wait_for(left.wait(), 5)
        gone.append((change, bilal.isconnected()))
        await school.agree(school.auth("Amina"), "tutor")
        school.clock.pass_(seconds=60)
    assert gone == [("withdrawn", True), ("new provider", True)]


async def test_agent_that_said_goodbye_is_logged_as_left(
    school: School, watcher: Watcher, watch_pool: Pool
) -> None:
    await school.open("Amina")
    lease = await lease_of(school, watch_pool)
    assert not lease.left
    async with tenant_tx(school.pool, school.tenant.id) as db:
        went = AgentLeft(epoch=1)
        await append_event(
            db, school.tenant.id, lease.session_id, went, school.clock.now, key="gone:1"
        )
    lease = await lease_of(school, watch_pool)
    assert lease.left
    assert await watcher.act_on_verdict(lease, "replace")
    assert not (await lease_of(school, watch_pool)).left
    assert (await kinds(school))[-2:] == ["agent.left", "agent.dispatched"]


async def test_only_tutor_sessions_are_watched(school: School, watch_pool: Pool) -> None:
    await school.open("Amina")
    await school.rows("update sessions set kind = 'class'")
    async with watch_pool.acquire() as db, db.transaction():
        assert await list_leases(db, [school.tenant.id]) == []
    await school.rows("update sessions set kind = 'tutor'")  # as its log says


async def test_agent_with_a_newer_heartbeat_stays(
    school: School, watcher: Watcher, watch_pool: Pool
) -> None:
    await school.open("Amina")
    lease = await lease_of(school, watch_pool)
    assert await live_agent(school, lease, 1)
    assert not await watcher.act_on_verdict(lease, "replace")
    assert await epochs(school) == [1]


async def test_only_one_of_two_watchers_replaces_an_agent(
    school: School, watcher: Watcher, watch_pool: Pool
) -> None:
    await school.open("Amina")
    lease = await lease_of(school, watch_pool)
    done = await asyncio.gather(*(watcher.act_on_verdict(lease, "replace") for _ in range(4)))
    assert sorted(done) == [False, False, False, True]
    assert await epochs(school) == [1, 2]


async def test_repeated_dispatch_has_the_same_epoch_and_one_worker_takes_it(
    school: School, watcher: Watcher, watch_pool: Pool
) -> None:
    await school.open("Amina")
    lease = await lease_of(school, watch_pool)
    assert await watcher.act_on_verdict(lease, "ask")
    assert await epochs(school) == [1, 1]

    async def take(epoch: int) -> bool:
        async with tenant_tx(school.pool, school.tenant.id) as db:
            return await take_dispatch(
                db, school.tenant.id, lease.session_id, epoch, school.clock.now
            )

    assert sorted(await asyncio.gather(*(take(1) for _ in range(8)))) == [False] * 7 + [True]
    with pytest.raises(NotFound):
        await take(2)
    assert await watcher.act_on_verdict(await lease_of(school, watch_pool), "replace")
    assert not await take(1)
    assert await take(2)


async def test_lost_room_is_recreated_in_the_same_session(
    school: School, watcher: Watcher, watch_pool: Pool
) -> None:
    page = await school.open("Amina", lesson=school.lessons[0][1])
    lease = await lease_of(school, watch_pool)
    await live_agent(school, lease, 1)
    metadata = json.loads((await school.live_room()).metadata)
    await rooms.close_room(school.lk, page["roomName"])
    done = await asyncio.gather(*(watcher.act_on_verdict(lease, "remake") for _ in range(3)))
    assert sorted(done) == [False, False, True]
    live = await school.live_room()
    assert json.loads(live.metadata) == metadata
    (row,) = await school.rows("select id, room_sid, agent_epoch from sessions")
    assert (str(row["id"]), row["room_sid"]) == (page["sessionId"], live.sid)
    assert await epochs(school) == [row["agent_epoch"]] == [2]
    assert (await kinds(school))[-3:] == ["session.resumed", "agent.lost", "agent.dispatched"]


async def test_a_session_whose_room_no_longer_exists_ends(
    school: School, watcher: Watcher, watch_pool: Pool
) -> None:
    await school.open("Amina")
    lease = await lease_of(school, watch_pool)
    await watcher.act_on_verdict(replace(lease, epoch=0), "end")  # the lease is stale
    assert "session.ended" not in await kinds(school)
    await watcher.act_on_verdict(lease, "end")
    assert (await kinds(school))[-1] == "session.ended"


async def test_older_agent_that_rejoins_is_removed(
    school: School, watcher: Watcher, watch_pool: Pool, joined: Any
) -> None:
    page = await school.open("Amina")
    assert await watcher.act_on_verdict(await lease_of(school, watch_pool), "replace")
    session_id = UUID(page["sessionId"])
    old, new = [await joined(page, agent_identity(session_id, epoch)) for epoch in (1, 2)]
    gone = asyncio.Event()
    old.on("disconnected", lambda _reason: gone.set())
    await rooms.reconcile_attendance(school.lk, watch_pool, school.clock)
    await asyncio.wait_for(gone.wait(), 5)
    assert new.isconnected()


async def test_agent_is_dispatched_again_while_a_learner_waits(
    school: School, watch_pool: Pool, joined: Any
) -> None:
    await joined(await school.open("Amina"))
    school.settings.database_watch_url = school.settings.database_url.replace("_app", "_watch")
    watching = asyncio.create_task(keep_watch(school.settings, school.lk, watch_pool))
    async with asyncio.timeout(10):
        while len(await school.dispatches()) < 3:  # noqa: ASYNC110 the media server sends no event
            await asyncio.sleep(0.1)
    watching.cancel()
    await asyncio.wait([watching])
    assert set(await epochs(school)) == {1}


async def test_watcher_that_stops_clears_its_alarms(
    school: School,
    watch_pool: Pool,
    joined: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "bodh.alarm")
    monkeypatch.setattr(alarms, "_folder", tmp_path)
    monkeypatch.setattr(watch.watcher, "MISSED_S", 0.1)
    await joined(await school.open("Amina"))
    await rooms.reconcile_attendance(school.lk, watch_pool, school.clock)
    school.settings.database_watch_url = school.settings.database_url.replace("_app", "_watch")
    watching = asyncio.create_task(keep_watch(school.settings, school.lk, watch_pool))
    async with asyncio.timeout(10):
        while alarm_messages(caplog) != ["alarm"]:  # noqa: ASYNC110 a log sends no event
            await asyncio.sleep(0.1)
    watching.cancel()
    await asyncio.wait([watching])
    assert alarm_messages(caplog) == ["alarm", "alarm cleared"]


def alarm_messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.name == "bodh.alarm"]


async def test_one_watcher_runs_at_a_time_and_the_next_takes_over(database: Database) -> None:
    dsn = database.dsn("bodh_watch")
    order: list[str] = []
    first, second = asyncio.Event(), asyncio.Event()

    async def hold(name: str, held: asyncio.Event) -> Connection:
        async with advisory_lock(dsn, 1) as db:
            order.append(name)
            held.set()
            while True:
                await db.fetchval("select pg_sleep(0.05)")

    tasks = [asyncio.create_task(hold("first", first))]
    await asyncio.wait_for(first.wait(), 5)
    tasks.append(asyncio.create_task(hold("second", second)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.wait(), 1.5)
    admin = await asyncpg.connect(database.dsn("postgres"))
    await admin.execute(
        """select pg_terminate_backend(l.pid) from pg_locks l
           join pg_database d on d.oid = l.database
           where l.locktype = 'advisory' and d.datname = current_database()"""
    )
    await admin.close()
    await asyncio.wait_for(second.wait(), 5)
    assert order == ["first", "second"]
    assert isinstance(tasks[0].exception(), asyncpg.PostgresError | asyncpg.InterfaceError)
    tasks[1].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await tasks[1]


async def test_failed_part_of_the_watcher_is_restarted() -> None:
    runs: list[int] = []
    third = asyncio.Event()

    async def part() -> None:
        runs.append(1)
        if len(runs) == 3:
            third.set()
            await asyncio.Event().wait()
        raise ExceptionGroup("two", [OSError(), ValueError()])

    task = asyncio.create_task(run_restarting("part", part))
    await asyncio.wait_for(third.wait(), 5)
    task.cancel()
