"""Running jobs in a test: a runner with its own connection, and jobs that leave a mark."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from obstore.store import MemoryStore

from db import Connection, Pool, tenant_tx
from db.queue import JobKind
from db.storage import Storage
from jobs.kinds import KINDS
from jobs.runner import JobRunner
from jobs.work import JobFunction, JobResources, Work
from tests.conftest import Database

NOWHERE = Storage(MemoryStore())  # for jobs that store nothing


def utc_now() -> datetime:
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def running(
    database: Database,
    pool: Pool,
    kinds: Mapping[JobKind, JobFunction] = KINDS,
    storage: Storage = NOWHERE,
) -> AsyncIterator[None]:
    """Runs queued jobs until the end of the block."""
    db = await asyncpg.connect(database.dsn("bodh_jobs"))
    runner = asyncio.create_task(JobRunner(db, JobResources(pool, storage, utc_now), kinds).run())
    try:
        yield
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        await db.close()


async def leave_mark(work: Work) -> None:
    """A job whose effect is one more row."""
    async with work.completing_transaction() as db:
        await insert_mark(db, work.tenant_id, work.job.id)


async def insert_mark(db: Connection, tenant_id: UUID, job_id: UUID) -> None:
    await db.execute(
        """insert into admin_notices (tenant_id, host, name, first_at, last_at, cleared_at)
           values ($1, 'job', $2, now(), now(), now())""",
        tenant_id,
        str(job_id),
    )


async def marks(pool: Pool, tenant_id: UUID) -> list[UUID]:
    """Jobs that have left a mark, one entry per mark."""
    async with tenant_tx(pool, tenant_id) as db:
        rows = await db.fetch("select name from admin_notices where host = 'job' order by name")
    return [UUID(row["name"]) for row in rows]


async def state_of(pool: Pool, tenant_id: UUID, job_id: UUID) -> asyncpg.Record:
    async with tenant_tx(pool, tenant_id) as db:
        row = await db.fetchrow(
            "select state, tries, error from background_jobs where id = $1", job_id
        )
    assert row is not None
    return row


async def until_ended(pool: Pool, tenant_id: UUID, count: int, timeout_s: float = 30.0) -> None:
    """Waits until `count` jobs of the tenant have completed or failed, and none is open."""
    async with asyncio.timeout(timeout_s):
        while True:
            async with tenant_tx(pool, tenant_id) as db:
                row = await db.fetchrow(
                    """select count(*) filter (where ended_at is not null) as ended,
                              count(*) filter (where ended_at is null) as open
                       from background_jobs"""
                )
            assert row is not None
            if row["ended"] >= count and not row["open"]:
                return
            await asyncio.sleep(0.02)
