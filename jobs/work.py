"""A started job, as passed to the function that runs it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from db import Connection, Pool, tenant_tx
from db.queue import BackgroundJob, mark_job_completed
from db.retention import RetentionKind
from db.storage import Storage


@dataclass(frozen=True)
class JobResources:
    pool: Pool
    storage: Storage
    clock: Callable[[], datetime]
    retention: Mapping[RetentionKind, int] = field(default_factory=dict)  # days, without a rule


@dataclass(frozen=True)
class Work:
    parts: JobResources
    tenant_id: UUID
    job: BackgroundJob

    @asynccontextmanager
    async def completing_transaction(self) -> AsyncIterator[Connection]:
        """A transaction for the job's effect, which also completes the job.

        Raises Conflict if another process has taken over the job.
        """
        async with tenant_tx(self.parts.pool, self.tenant_id) as db:
            await mark_job_completed(db, self.tenant_id, self.job.id, self.job.tries)
            yield db


# A job may start more than once, so everything before `completing_transaction` must be safe to
# repeat. CPU-heavy work belongs in a thread: on the event loop it would stop the heartbeats.
JobFunction: TypeAlias = Callable[[Work], Awaitable[None]]
