"""Postgres stopped, crashed, cut off, locked or frozen: no segment is lost or stored twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from agent.durable.spool import Entry, Spool
from db import embedded
from tests.faults.writers_under_fault import (
    OwnPostgres,
    connect_superuser,
    crash,
    drained,
    frozen_postgres,
    own_postgres,
    run_under_fault,
    start_drainer,
    stop,
    until,
)
from tests.soak import SOAK

OUTAGES_S = (30.0, 300.0) if SOAK else (8.0,)
CRASHES = 20 if SOAK else 2
CUTS_S = 60.0 if SOAK else 3.0
CUT_EVERY_S = 0.15
LOCKED_S = 10.0 if SOAK else 3.0
FROZEN_S = 10.0 if SOAK else 3.0
FROZEN_STOP_S = 10.0


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[OwnPostgres]:
    """Shared by all these tests; each leaves it working."""
    async with own_postgres() as server:
        yield server


@pytest.mark.parametrize("away_s", OUTAGES_S)
async def test_segments_said_while_postgres_is_down_are_stored_when_it_is_back(
    server: OwnPostgres, away_s: float
) -> None:
    async def fault(server: OwnPostgres) -> None:
        await crash(server)
        await asyncio.sleep(away_s)
        await embedded.start_server(server.cluster)

    report = await run_under_fault(server, f"down-{away_s:.0f}-s", fault)
    assert report.faultless(), report
    assert report.backlog > 16 * away_s


async def test_repeated_crashes_and_restarts_lose_nothing(server: OwnPostgres) -> None:
    async def fault(server: OwnPostgres) -> None:
        for number in range(CRASHES):
            if number % 2:
                await crash(server)
            else:
                await embedded.stop_server(server.cluster)
            await embedded.start_server(server.cluster)
            await asyncio.sleep(0.5)

    report = await run_under_fault(server, f"restarted-{CRASHES}-times", fault)
    assert report.faultless(), report


async def test_randomly_cut_connections_lose_nothing(server: OwnPostgres) -> None:
    async def fault(server: OwnPostgres) -> None:
        db = await connect_superuser(server)
        cut = 0
        for _ in range(int(CUTS_S / CUT_EVERY_S)):
            cut += await db.fetchval(
                """select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where usename in ('bodh_app', 'bodh_drain')"""
            )
            await asyncio.sleep(CUT_EVERY_S * random.uniform(0.5, 1.5))  # noqa: S311 no secret
        await db.close()
        assert cut > CUTS_S

    report = await run_under_fault(server, f"connections-cut-for-{CUTS_S:.0f}-s", fault)
    assert report.faultless(), report


async def test_locked_table_delays_entries_and_loses_none(server: OwnPostgres) -> None:
    async def fault(server: OwnPostgres) -> None:
        db = await connect_superuser(server)
        async with db.transaction():
            await db.execute("lock table transcript_segments in access exclusive mode")
            await asyncio.sleep(LOCKED_S)
        await db.close()

    report = await run_under_fault(server, f"locked-{LOCKED_S:.0f}-s", fault)
    assert report.faultless(), report


async def test_frozen_postgres_delays_entries_and_loses_none(server: OwnPostgres) -> None:
    async def fault(server: OwnPostgres) -> None:
        with frozen_postgres(server):
            await asyncio.sleep(FROZEN_S)

    report = await run_under_fault(server, f"frozen-{FROZEN_S:.0f}-s", fault)
    assert report.faultless(), report


async def test_drainer_ends_in_time_while_postgres_is_frozen(server: OwnPostgres) -> None:
    home = server.home / "ending"
    path = home / "spool" / "spool.sqlite3"
    spool = Spool(path)
    entry = Entry(server.tenant_id, uuid4(), "segment", "1-1", {})
    drainer = await start_drainer(server, path, home)
    await spool.write_entry(entry)
    await until(lambda: drained(path) == 1)  # stored as a dead letter, so the drainer is connected
    with frozen_postgres(server):
        await spool.write_entry(replace(entry, key="1-2"))
        await until(lambda: "entries wait" in (home / "drain.log").read_text())
        assert await stop(drainer) < FROZEN_STOP_S
    await spool.close()
