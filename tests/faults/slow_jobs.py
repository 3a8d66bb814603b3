"""`python -m tests.faults.slow_jobs DSN`: a job process whose jobs last until a file appears.

Prints a line when it has started a job.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from db import create_pool
from jobs.runner import JobRunner
from jobs.work import JobResources, Work
from tests.db.job_parts import NOWHERE, leave_mark, utc_now


async def run(dsn: str, gate: Path) -> None:
    async def wait_then_mark(work: Work) -> None:
        os.write(1, f"{work.job.id} {work.job.tries}\n".encode())
        while not gate.exists():  # noqa: ASYNC110, ASYNC240 the test is another process
            await asyncio.sleep(0.02)
        await leave_mark(work)

    pool = await create_pool(dsn)
    db = await asyncpg.connect(dsn)
    await JobRunner(db, JobResources(pool, NOWHERE, utc_now), {"prune": wait_then_mark}).run()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2])))
