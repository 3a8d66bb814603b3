"""Background jobs. Owns background_jobs and what the queue of pgqueuer holds of each.

`enqueue` takes part in the caller's transaction: the job exists if and only if the rows that asked
for it do. `jobs/` runs it. All times are those of the database's clock, which all hosts share.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pgqueuer import AsyncpgDriver, Queries
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.domain.settings import DBSettings

from db import Conflict, Connection, fetch_one

JobKind = Literal["prune", "delete_pictures"]
LOST_AFTER = timedelta(minutes=1)

_NAMES = DBSettings(db_schema="pgqueuer")


@dataclass(frozen=True)
class BackgroundJob:
    """A job that a process has started; `tries` counts this start and tells it from later ones."""

    id: UUID
    kind: str
    payload: dict[str, Any]
    tries: int


@dataclass(frozen=True)
class JobCounts:
    """Jobs of a tenant; `oldest_s` is how long the oldest pending one has been due."""

    pending: int
    failed: int
    oldest_s: float


def queue_of(db: Connection) -> Queries:
    """The library's queue over this connection."""
    return Queries(
        AsyncpgDriver(db),  # type: ignore[arg-type]  # a pooled connection answers the same
        qbe=QueryBuilderEnvironment(_NAMES),
        qbq=QueryQueueBuilder(_NAMES),
        qbs=QuerySchedulerBuilder(_NAMES),
    )


def parse_entry(payload: bytes | None) -> tuple[UUID, UUID]:
    """Tenant and job of an entry of the queue."""
    tenant_id, job_id = (payload or b"").decode().split("/")
    return UUID(tenant_id), UUID(job_id)


async def enqueue(
    db: Connection, tenant_id: UUID, kind: JobKind, payload: dict[str, str | int]
) -> UUID:
    """Queues a job when the running transaction commits. The payload holds ids and counts only."""
    row = await fetch_one(
        db,
        "insert into background_jobs (tenant_id, kind, payload) values ($1, $2, $3) returning id",
        tenant_id,
        kind,
        json.dumps(payload),
    )
    await _push(db, tenant_id, {row["id"]: kind})
    return UUID(str(row["id"]))


async def start_job(db: Connection, tenant_id: UUID, job_id: UUID) -> BackgroundJob | None:
    """Starts or takes over a job; None where it has ended already."""
    row = await db.fetchrow(
        """update background_jobs set state = 'processing', tries = tries + 1
           where tenant_id = $1 and id = $2 and state in ('pending', 'processing')
           returning id, kind, payload, tries""",
        tenant_id,
        job_id,
    )
    return None if row is None else BackgroundJob(**{**row, "payload": json.loads(row["payload"])})


async def complete_job(db: Connection, tenant_id: UUID, job_id: UUID, tries: int) -> None:
    """Completes a job, in the transaction of its effect.

    Raises Conflict where another process has started the job since: the effect is that one's.
    """
    updated = await db.execute(
        """update background_jobs set state = 'completed', ended_at = now()
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
    )
    if updated == "UPDATE 0":
        raise Conflict("another process has taken this job over")


async def postpone_job(
    db: Connection, tenant_id: UUID, job_id: UUID, tries: int, *, delay: timedelta, error: str
) -> None:
    """Makes a started job pending again; it is due after the delay."""
    await db.execute(
        """update background_jobs set state = 'pending', due_at = now() + $4::interval, error = $5
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
        delay,
        error,
    )


async def release_job(db: Connection, tenant_id: UUID, job_id: UUID, tries: int) -> None:
    """Undoes a start: the process is stopping, which is no failure of the job."""
    await db.execute(
        """update background_jobs set state = 'pending', tries = tries - 1
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
    )


async def fail_job(
    db: Connection, tenant_id: UUID, job_id: UUID, tries: int, *, error: str
) -> None:
    """Ends a job that is not tried again by itself."""
    await db.execute(
        """update background_jobs set state = 'failed', ended_at = now(), error = $4
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
        error,
    )


async def retry_failed_jobs(db: Connection, tenant_id: UUID) -> int:
    """Queues the failed jobs once more, with all their tries; returns how many."""
    rows = await db.fetch(
        """update background_jobs set state = 'pending', tries = 0, due_at = now(), ended_at = null
           where tenant_id = $1 and state = 'failed' returning id, kind""",
        tenant_id,
    )
    await _push(db, tenant_id, {row["id"]: row["kind"] for row in rows})
    return len(rows)


async def requeue_lost_jobs(db: Connection, tenant_id: UUID, age: timedelta = LOST_AFTER) -> int:
    """Gives overdue jobs their entry in the queue again where it has none.

    The library deletes the entry of a job whose outcome it could not write. Returns how many jobs
    are overdue.
    """
    rows = await db.fetch(
        """select id, kind from background_jobs
           where tenant_id = $1 and state in ('pending', 'processing')
             and due_at < now() - $2::interval""",
        tenant_id,
        age,
    )
    await _push(db, tenant_id, {row["id"]: row["kind"] for row in rows})
    return len(rows)


async def count_jobs(db: Connection, tenant_id: UUID, now: datetime) -> JobCounts:
    """What waits and what has failed."""
    row = await fetch_one(
        db,
        """select count(*) filter (where state = 'pending') as pending,
                  count(*) filter (where state = 'failed') as failed,
                  greatest(0, extract(epoch from
                    max($2 - due_at) filter (where state = 'pending')))::float8 as oldest_s
           from background_jobs where tenant_id = $1 and state <> 'completed'""",
        tenant_id,
        now,
    )
    return JobCounts(**row)


async def delete_completed_jobs(db: Connection, tenant_id: UUID, age: timedelta) -> None:
    """Deletes jobs that completed so long ago."""
    await db.execute(
        """delete from background_jobs
           where tenant_id = $1 and state = 'completed' and ended_at < now() - $2::interval""",
        tenant_id,
        age,
    )


async def delete_queue_log(db: Connection, age: timedelta) -> None:
    """Deletes what the library logged of all tenants' jobs so long ago."""
    await db.execute("delete from pgqueuer.pgqueuer_log where created < now() - $1::interval", age)


async def _push(db: Connection, tenant_id: UUID, jobs: dict[UUID, str]) -> None:
    """Adds an entry for each job that has none: the key of an entry is unique while it lives."""
    if not jobs:
        return
    keys = [f"{tenant_id}/{job_id}" for job_id in jobs]
    await queue_of(db).enqueue(
        list(jobs.values()),
        [key.encode() for key in keys],
        [0] * len(jobs),
        dedupe_key=list(keys),
        on_conflict="skip",
    )
