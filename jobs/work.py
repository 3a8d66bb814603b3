"""A started job, as the function that does it gets it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from db import Connection, Pool, tenant_tx
from db.queue import BackgroundJob, complete_job
from db.storage import Storage


@dataclass(frozen=True)
class Parts:
    """What all jobs of a process share."""

    pool: Pool
    storage: Storage
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class Work:
    """One start of a job."""

    parts: Parts
    tenant_id: UUID
    job: BackgroundJob

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[Connection]:
        """The transaction of the job's effect, which completes the job: both happen or neither.

        Raises Conflict where another process has taken the job over.
        """
        async with tenant_tx(self.parts.pool, self.tenant_id) as db:
            await complete_job(db, self.tenant_id, self.job.id, self.job.tries)
            yield db


# A job may start more than once, so what it does before `finish` must do no harm when repeated.
# What takes the CPU for long belongs in a thread: on the loop it would stop the heartbeats.
Run: TypeAlias = Callable[[Work], Awaitable[None]]
