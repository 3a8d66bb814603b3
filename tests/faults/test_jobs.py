"""Job processes killed or frozen in the middle of a job: the job is still done, and once."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from db import Pool, tenant_tx
from db.queue import enqueue_job
from tests.conftest import ROOT, Database
from tests.db.job_parts import marks, state_of, until_ended

TAKEN_OVER_S = 20.0  # 8 s on a quiet machine


@contextlib.asynccontextmanager
async def job_process(database: Database, gate: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.slow_jobs", database.dsn(), str(gate), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def started(process: Process) -> tuple[UUID, int]:
    """The next job that a process starts, and the number of this start."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), TAKEN_OVER_S)
    job_id, tries = line.decode().split()
    return UUID(job_id), int(tries)


async def queue_one(pool: Pool, tenant_id: UUID) -> UUID:
    async with tenant_tx(pool, tenant_id) as db:
        return await enqueue_job(db, tenant_id, "prune", {})


async def test_job_of_a_killed_process_is_done_once_by_the_next(
    pool: Pool, database: Database, tenant_id: UUID, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job_id = await queue_one(pool, tenant_id)
    async with job_process(database, gate) as first:
        assert await started(first) == (job_id, 1)
        first.kill()
        await first.wait()
    assert (await state_of(pool, tenant_id, job_id))["state"] == "processing"
    async with job_process(database, gate) as second:
        assert await started(second) == (job_id, 2)
        gate.touch()
        await until_ended(pool, tenant_id, 1)
    assert await marks(pool, tenant_id) == [job_id]


@pytest.mark.timeout(180)
async def test_process_that_comes_back_after_a_freeze_does_no_job_twice(
    pool: Pool, database: Database, tenant_id: UUID, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job_id = await queue_one(pool, tenant_id)
    async with job_process(database, gate) as first:
        assert await started(first) == (job_id, 1)
        first.send_signal(signal.SIGSTOP)
        async with job_process(database, gate) as second:
            assert await started(second) == (job_id, 2)
            gate.touch()
            await until_ended(pool, tenant_id, 1)
            first.send_signal(signal.SIGCONT)  # both continue; the start of the first has expired
            other = await queue_one(pool, tenant_id)
            await until_ended(pool, tenant_id, 2)
    assert await marks(pool, tenant_id) == sorted([job_id, other])
