"""Alarms become notices, once each, even if Postgres is down at the time."""

import asyncio
import contextlib
import fcntl
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import generate_latest

import rooms
from db import Pool, create_pool, tenant_tx
from db.notices import Notice, list_notices
from db.queue import enqueue_job
from settings import Settings
from telemetry import alarms
from telemetry.gather import registry_that_reads_metric_files
from telemetry.startup import metrics_dir
from tests.alarms import Raiser, raiser
from tests.conftest import TEMPLATE, Database, Postgres
from watch.host_checks import HostChecks
from watch.notices import NoticeWriter

HOME = Path("run") / "metrics"


@dataclass
class Clock:
    """A clock that the test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Desk:
    """`NoticeWriter`, its clock and the notices it wrote."""

    notices: NoticeWriter
    clock: Clock
    pool: Pool
    tenant_id: UUID

    async def turn(self, **later: float) -> list[Notice]:
        """Moves the clock, writes changed alarms and returns all notices."""
        self.clock.now += timedelta(**later)
        if await self.notices.refresh_alarms():
            await self.notices.write_notices()
        async with tenant_tx(self.pool, self.tenant_id) as db:
            return await list_notices(db, self.tenant_id, 100)


@pytest.fixture
def drainer(tmp_path: Path) -> Iterator[Raiser]:
    with raiser(tmp_path) as process:
        yield process


@pytest.fixture
def desk(pool: Pool, tenant_id: UUID, tmp_path: Path) -> Desk:
    clock = Clock()
    return Desk(NoticeWriter(pool, tmp_path / HOME, clock, "here"), clock, pool, tenant_id)


async def test_alarm_is_one_notice_from_start_to_end(desk: Desk, drainer: Raiser) -> None:
    assert await desk.turn() == []
    drainer.set_alarm("dead_letters", True, count=3)
    (active,) = await desk.turn()
    assert (active.name, active.facts, active.cleared_at) == ("dead_letters", {"count": 3}, None)
    assert await desk.turn(seconds=5) == [active]  # nothing changed, so nothing is written
    drainer.set_alarm("dead_letters", False)
    (over,) = await desk.turn(seconds=5)
    assert (over.id, over.cleared_at, over.count) == (active.id, desk.clock.now, 1)


async def test_alarm_that_returns_within_the_hour_continues_its_notice(
    desk: Desk, drainer: Raiser
) -> None:
    for on in (True, False, True, False):
        drainer.set_alarm("disk_low", on)
        await desk.turn(minutes=10)
    (flapped,) = await desk.turn()
    assert flapped.count == 2
    drainer.set_alarm("disk_low", True)
    assert [one.count for one in await desk.turn(hours=2)] == [1, 2]


async def test_alarms_of_a_killed_process_end(desk: Desk, drainer: Raiser) -> None:
    drainer.set_alarm("spool_not_drained", True)
    (active,) = await desk.turn()
    assert active.cleared_at is None
    drainer.process.kill()
    drainer.process.wait()
    (over,) = await desk.turn(seconds=1)
    assert over.cleared_at == desk.clock.now


async def test_alarm_of_two_processes_is_active_until_both_clear_it(
    desk: Desk, drainer: Raiser, tmp_path: Path
) -> None:
    gauge = b'bodh_alarm{alarm="spool_failing"} %d.0\n'
    with raiser(tmp_path) as other:
        for process in (drainer, other):
            process.set_alarm("spool_failing", True)
        other.set_alarm("spool_failing", False)
        (active,) = await desk.turn()
        assert active.cleared_at is None
        assert gauge % 1 in generate_latest(registry_that_reads_metric_files(tmp_path / HOME))
        drainer.set_alarm("spool_failing", False)
        (over,) = await desk.turn(seconds=1)
        assert over.cleared_at == desk.clock.now
        assert gauge % 0 in generate_latest(registry_that_reads_metric_files(tmp_path / HOME))


async def test_alarm_that_came_and_went_without_postgres_is_written_later(
    drainer: Raiser, postgres: Postgres, tenant_id: UUID, tmp_path: Path
) -> None:
    name = f"t_{secrets.token_hex(6)}"
    pool = await create_pool(postgres.dsn(database=name), max_size=1)
    clock = Clock()
    desk = Desk(NoticeWriter(pool, tmp_path / HOME, clock, "here"), clock, pool, tenant_id)
    for on in (True, False):
        drainer.set_alarm("database_away", on)
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await desk.turn()
    await postgres.clone(name, TEMPLATE)
    (notice,) = await desk.turn(seconds=1)
    assert (notice.name, notice.cleared_at) == ("database_away", desk.clock.now)
    await pool.close()
    await postgres.drop(name)


async def test_alarms_of_a_host_that_no_longer_reports_are_cleared(
    desk: Desk, drainer: Raiser, pool: Pool, tmp_path: Path
) -> None:
    drainer.set_alarm("disk_low", True)
    await desk.turn()
    elsewhere = NoticeWriter(pool, tmp_path / "elsewhere", desk.clock, "there")
    (over,) = await replace(desk, notices=elsewhere).turn(minutes=11)
    assert over.cleared_at == desk.clock.now


async def test_overdue_and_failed_jobs_raise_alarms(
    pool: Pool,
    database: Database,
    tenant_id: UUID,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarms, "_folder", settings.bodh_home)
    monkeypatch.setattr(alarms, "_active", {})
    changes: tuple[tuple[str, set[str]], ...] = (
        ("update background_jobs set due_at = now() - interval '250 s'", set()),
        ("update background_jobs set due_at = now() - interval '301 s'", {"jobs_waiting"}),
        ("update background_jobs set state = 'failed'", {"jobs_failed"}),
        ("delete from background_jobs", set()),
    )
    async with (
        await create_pool(database.dsn("bodh_watch")) as watch_pool,
        rooms.make_media_client(settings) as lk,
    ):
        host = HostChecks(settings, lk, watch_pool)
        async with tenant_tx(pool, tenant_id) as db:
            await enqueue_job(db, tenant_id, "prune", {})
        for change, expected in changes:
            async with tenant_tx(pool, tenant_id) as db:
                await db.execute(change)
            await host.run_checks()
            assert {name for name in alarms._active if name.startswith("jobs_")} == expected


@contextlib.contextmanager
def busy_for_a_moment(base: Path) -> Iterator[None]:
    """Holds the lock of the metrics for a second, or until the end of the block."""
    base.mkdir(parents=True)
    with (base / ".past").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(1.0, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        release.start()
        yield
        release.cancel()


async def test_reading_alarms_does_not_block_the_loop(desk: Desk, tmp_path: Path) -> None:
    with busy_for_a_moment(tmp_path / HOME):
        look = asyncio.create_task(desk.notices.refresh_alarms())
        _, waiting = await asyncio.wait([look], timeout=0.2)
    assert waiting == {look}
    assert await look


async def test_checking_the_drainer_does_not_block_the_loop(pool: Pool, settings: Settings) -> None:
    settings.spool_path.parent.mkdir(parents=True)
    settings.spool_path.touch()
    async with rooms.make_media_client(settings) as lk:
        with busy_for_a_moment(metrics_dir(settings)):
            look = asyncio.create_task(HostChecks(settings, lk, pool).run_checks())
            _, waiting = await asyncio.wait([look], timeout=0.6)
        assert waiting == {look}
        await look
