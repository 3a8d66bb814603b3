"""Postgres stopped, crashed, cut off, locked or frozen: no segment is lost or stored twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from agent.durable.spool import Entry, Spool
from db import embedded
from tests.faults.ordeal import (
    House,
    crash,
    drained,
    frozen,
    open_house,
    start_drainer,
    stop,
    suffer,
    superuser,
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
async def house() -> AsyncIterator[House]:
    """Shared by all these tests; each leaves it working."""
    async with open_house() as house:
        yield house


@pytest.mark.parametrize("away_s", OUTAGES_S)
async def test_segments_said_while_postgres_is_down_are_stored_when_it_is_back(
    house: House, away_s: float
) -> None:
    async def fault(house: House) -> None:
        await crash(house)
        await asyncio.sleep(away_s)
        await embedded.start(house.cluster)

    report = await suffer(house, f"down-{away_s:.0f}-s", fault)
    assert report.faultless(), report
    assert report.backlog > 16 * away_s


async def test_repeated_crashes_and_restarts_lose_nothing(house: House) -> None:
    async def fault(house: House) -> None:
        for number in range(CRASHES):
            if number % 2:
                await crash(house)
            else:
                await embedded.stop(house.cluster)
            await embedded.start(house.cluster)
            await asyncio.sleep(0.5)

    report = await suffer(house, f"restarted-{CRASHES}-times", fault)
    assert report.faultless(), report


async def test_randomly_cut_connections_lose_nothing(house: House) -> None:
    async def fault(house: House) -> None:
        db = await superuser(house)
        cut = 0
        for _ in range(int(CUTS_S / CUT_EVERY_S)):
            cut += await db.fetchval(
                """select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where usename in ('bodh_app', 'bodh_drain')"""
            )
            await asyncio.sleep(CUT_EVERY_S * random.uniform(0.5, 1.5))  # noqa: S311 no secret
        await db.close()
        assert cut > CUTS_S

    report = await suffer(house, f"connections-cut-for-{CUTS_S:.0f}-s", fault)
    assert report.faultless(), report


async def test_locked_table_delays_entries_and_loses_none(house: House) -> None:
    async def fault(house: House) -> None:
        db = await superuser(house)
        async with db.transaction():
            await db.execute("lock table transcript_segments in access exclusive mode")
            await asyncio.sleep(LOCKED_S)
        await db.close()

    report = await suffer(house, f"locked-{LOCKED_S:.0f}-s", fault)
    assert report.faultless(), report


async def test_frozen_postgres_delays_entries_and_loses_none(house: House) -> None:
    async def fault(house: House) -> None:
        with frozen(house):
            await asyncio.sleep(FROZEN_S)

    report = await suffer(house, f"frozen-{FROZEN_S:.0f}-s", fault)
    assert report.faultless(), report


async def test_drainer_ends_in_time_while_postgres_is_frozen(house: House) -> None:
    home = house.home / "ending"
    path = home / "spool" / "spool.sqlite3"
    spool = Spool(path)
    entry = Entry(house.tenant_id, uuid4(), "segment", "1-1", {})
    drainer = await start_drainer(house, path, home)
    await spool.put(entry)
    await until(lambda: drained(path) == 1)  # stored as a dead letter, so the drainer is connected
    with frozen(house):
        await spool.put(replace(entry, key="1-2"))
        await until(lambda: "entries wait" in (home / "drain.log").read_text())
        assert await stop(drainer) < FROZEN_STOP_S
    await spool.close()
