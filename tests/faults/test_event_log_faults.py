"""Sixteen writers of one event log, rolled back, cut off and crashed: no gap, no event twice."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import pytest

from db import AWAY, Pool, create_pool, embedded, tenant_tx
from db.event_chain import first_broken_seq
from db.event_kinds import AgentDispatched
from db.events import append_event, find_event_head, list_events
from tests.db.rows import NOW
from tests.faults.writers_under_fault import (
    REPORTS,
    WRITERS,
    OwnPostgres,
    connect_superuser,
    crash,
    open_session,
    own_postgres,
)
from tests.soak import SOAK

WRITING_S = 60.0 if SOAK else 5.0
CRASH_EVERY_S = 8.0 if SOAK else 2.0
CUT_EVERY_S = 0.15
ROLLED_BACK = 0.1


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[OwnPostgres]:
    """A durable Postgres: every commit is on disk."""
    async with own_postgres() as server:
        yield server


@pytest.mark.parametrize("chaos", [False, True], ids=["quiet", "crashed"])
async def test_event_log_of_sixteen_writers_has_no_gap_and_no_event_twice(
    server: OwnPostgres, chaos: bool
) -> None:
    pool = await create_pool(server.cluster.dsn("bodh_app"), max_size=WRITERS)
    session = await open_session(pool, server.tenant_id, server.home / "none", "")
    until = asyncio.get_running_loop().time() + WRITING_S
    cut = asyncio.create_task(break_often(server, until) if chaos else _nothing())
    place = (pool, server.tenant_id, session.session_id)
    writers = [append(*place, w, until, keyed=chaos) for w in range(WRITERS)]
    keys = [key for done in await asyncio.gather(*writers) for key in done]
    backends, crashes = await cut
    async with tenant_tx(pool, server.tenant_id) as db:
        events = await list_events(db, server.tenant_id, session.session_id)
        head = await find_event_head(db, server.tenant_id, session.session_id)
    await pool.close()
    stored = [event.payload["epoch"] for event in events[1:]]
    report(chaos, len(keys), backends, crashes)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sorted(stored) == sorted(keys)
    assert first_broken_seq(events, head) is None
    assert (backends > 0, crashes > 0) == (chaos, chaos)


async def append(
    pool: Pool, tenant_id: UUID, session_id: UUID, writer: int, until: float, *, keyed: bool
) -> list[int]:
    """Appends until then and retries after every error. Returns the acknowledged numbers."""
    clock = asyncio.get_running_loop().time
    chance = random.Random(writer)  # noqa: S311 no secret
    done: list[int] = []
    number = writer * 10_000_000
    while clock() < until:
        number += 1
        kept = chance.random() >= ROLLED_BACK
        while True:
            key = str(number) if keyed else None
            if await _once(pool, tenant_id, session_id, number, kept=kept, key=key):
                break
            await asyncio.sleep(0.02)
        done += [number] if kept else []
    return done


async def _once(
    pool: Pool, tenant_id: UUID, session_id: UUID, number: int, *, kept: bool, key: str | None
) -> bool:
    """False if it must be retried. The key finds an append whose answer was lost."""
    try:
        async with tenant_tx(pool, tenant_id) as db:
            event = AgentDispatched(epoch=number)
            await append_event(db, tenant_id, session_id, event, NOW, key=key)
            if not kept:
                raise InterruptedError
    except InterruptedError:
        return True
    except AWAY:
        return False
    return True


async def _nothing() -> tuple[int, int]:
    return 0, 0


async def break_often(server: OwnPostgres, until: float) -> tuple[int, int]:
    """Keeps cutting connections and crashing the server. Returns how many of each."""
    clock = asyncio.get_running_loop().time
    backends = crashes = 0
    crash_at = clock() + CRASH_EVERY_S
    while clock() < until:
        if clock() > crash_at:
            await crash(server)
            await embedded.start_server(server.cluster)
            crashes, crash_at = crashes + 1, clock() + CRASH_EVERY_S
        backends += await _retried(lambda: cut_three(server))
        await asyncio.sleep(CUT_EVERY_S)
    return backends, crashes


async def _retried(cut: Callable[[], Awaitable[int]]) -> int:
    with suppress(*AWAY):
        return await cut()
    return 0


async def cut_three(server: OwnPostgres) -> int:
    """Cuts three of the application's connections. Returns how many there were."""
    db = await connect_superuser(server)
    try:
        count: int = await db.fetchval(
            """select count(pg_terminate_backend(pid)) from (
                 select pid from pg_stat_activity where usename = 'bodh_app'
                 order by random() limit 3) as three"""
        )
    finally:
        db.terminate()  # the server may have crashed
    return count


def report(chaos: bool, appended: int, backends: int, crashes: int) -> None:
    """Keeps the results in build/faults."""
    figures = {
        "writers": WRITERS,
        "seconds": WRITING_S,
        "appended": appended,
        "appended_per_s": round(appended / WRITING_S),
        "backends_cut": backends,
        "crashes": crashes,
    }
    REPORTS.mkdir(parents=True, exist_ok=True)
    name = f"event-log-{'crashed' if chaos else 'quiet'}-{WRITING_S:.0f}-s.json"
    (REPORTS / name).write_text(json.dumps(figures, indent=1) + "\n")
