"""Background jobs. Owns background_jobs and their entries in pgqueuer's queue.

`enqueue` writes in the caller's transaction, so a job exists if and only if that commits. `jobs/`
runs the jobs. All times are by the database's clock, which all hosts share.
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

JobKind = Literal["prune", "retention", "delete_pictures"]
LOST_AFTER = timedelta(minutes=1)

_NAMES = DBSettings(db_schema="pgqueuer")


@dataclass(frozen=True)
class BackgroundJob:
    """A started job. `tries` includes this start, and so identifies it."""

    id: UUID
    kind: str
    payload: dict[str, Any]
    tries: int


@dataclass(frozen=True)
class JobCounts:
    pending: int
    failed: int
    oldest_s: float


def bind_queue_queries(db: Connection) -> Queries:
    return Queries(
        AsyncpgDriver(db),  # type: ignore[arg-type]  # a pooled connection has the same methods
        qbe=QueryBuilderEnvironment(_NAMES),
        qbq=QueryQueueBuilder(_NAMES),
        qbs=QuerySchedulerBuilder(_NAMES),
    )


def parse_job_entry(payload: bytes | None) -> tuple[UUID, UUID]:
    tenant_id, job_id = (payload or b"").decode().split("/")
    return UUID(tenant_id), UUID(job_id)


async def enqueue_job(
    db: Connection, tenant_id: UUID, kind: JobKind, payload: dict[str, str | int]
) -> UUID:
    """Queues a job when the transaction commits. The payload contains only ids and counts."""
    row = await fetch_one(
        db,
        "insert into background_jobs (tenant_id, kind, payload) values ($1, $2, $3) returning id",
        tenant_id,
        kind,
        json.dumps(payload),
    )
    await _ensure_queue_entries(db, tenant_id, {row["id"]: kind})
    return UUID(str(row["id"]))


async def mark_job_started(db: Connection, tenant_id: UUID, job_id: UUID) -> BackgroundJob | None:
    """Starts a job, or takes it over. Returns None if it has already ended."""
    row = await db.fetchrow(
        """update background_jobs set state = 'processing', tries = tries + 1
           where tenant_id = $1 and id = $2 and state in ('pending', 'processing')
           returning id, kind, payload, tries""",
        tenant_id,
        job_id,
    )
    return None if row is None else BackgroundJob(**{**row, "payload": json.loads(row["payload"])})


async def mark_job_completed(db: Connection, tenant_id: UUID, job_id: UUID, tries: int) -> None:
    """Call it in the transaction of the job's effect.

    Raises Conflict if another process has started the job since: that one has the effect.
    """
    updated = await db.execute(
        """update background_jobs set state = 'completed', ended_at = now()
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
    )
    if updated == "UPDATE 0":
        raise Conflict("another process has taken over this job")


async def postpone_job(
    db: Connection, tenant_id: UUID, job_id: UUID, tries: int, *, delay: timedelta, error: str
) -> None:
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
    """Undoes a start when the process stops, which does not count as a try."""
    await db.execute(
        """update background_jobs set state = 'pending', tries = tries - 1
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
    )


async def mark_job_failed(
    db: Connection, tenant_id: UUID, job_id: UUID, tries: int, *, error: str
) -> None:
    await db.execute(
        """update background_jobs set state = 'failed', ended_at = now(), error = $4
           where tenant_id = $1 and id = $2 and state = 'processing' and tries = $3""",
        tenant_id,
        job_id,
        tries,
        error,
    )


async def retry_failed_jobs(db: Connection, tenant_id: UUID) -> int:
    rows = await db.fetch(
        """update background_jobs set state = 'pending', tries = 0, due_at = now(), ended_at = null
           where tenant_id = $1 and state = 'failed' returning id, kind""",
        tenant_id,
    )
    await _ensure_queue_entries(db, tenant_id, {row["id"]: row["kind"] for row in rows})
    return len(rows)


async def requeue_lost_jobs(db: Connection, tenant_id: UUID) -> int:
    """Adds missing queue entries of overdue jobs. Returns how many jobs are overdue.

    The library deletes the entry of a job if it cannot write the job's outcome.
    """
    rows = await db.fetch(
        """select id, kind from background_jobs
           where tenant_id = $1 and state in ('pending', 'processing')
             and due_at < now() - $2::interval""",
        tenant_id,
        LOST_AFTER,
    )
    await _ensure_queue_entries(db, tenant_id, {row["id"]: row["kind"] for row in rows})
    return len(rows)


async def count_jobs(db: Connection, tenant_id: UUID, now: datetime) -> JobCounts:
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
    await db.execute(
        """delete from background_jobs
           where tenant_id = $1 and state = 'completed' and ended_at < now() - $2::interval""",
        tenant_id,
        age,
    )


async def delete_queue_log(db: Connection, age: timedelta) -> None:
    await db.execute("delete from pgqueuer.pgqueuer_log where created < now() - $1::interval", age)


async def _ensure_queue_entries(db: Connection, tenant_id: UUID, jobs: dict[UUID, str]) -> None:
    """Adds an entry for each job that has none: the keys of live entries are unique."""
    if not jobs:
        return
    keys = [f"{tenant_id}/{job_id}" for job_id in jobs]
    await bind_queue_queries(db).enqueue(
        list(jobs.values()),
        [key.encode() for key in keys],
        [0] * len(jobs),
        dedupe_key=list(keys),
        on_conflict="skip",
    )
