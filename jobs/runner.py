"""Runs jobs from the queue, retries failed ones, and releases unfinished ones at shutdown."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from pgqueuer import PgQueuer, RetryRequested
from pgqueuer.models import Job, Schedule

from db import Conflict, Connection, acquire, tenant_tx
from db.queue import (
    JobKind,
    bind_queue_queries,
    mark_job_failed,
    mark_job_started,
    parse_job_entry,
    postpone_job,
    release_job,
    requeue_lost_jobs,
)
from db.tenants import list_tenants
from jobs.kinds import (
    KINDS,
    PRUNE_AT,
    RETENTION_AT,
    queue_for_every_tenant,
    queue_prune_jobs_and_trim_log,
)
from jobs.work import JobFunction, JobResources, Work
from telemetry import metrics

HEARTBEAT = timedelta(seconds=6)  # a job without a heartbeat for this long is started again
POLL = timedelta(seconds=1)  # for postponed jobs; new ones are announced at once
AT_ONCE = 4  # jobs
MAX_TRIES = 5
FIRST_DELAY = timedelta(seconds=2)  # doubles with each try
LOST_EVERY_S = 20.0  # between searches for jobs that lost their entry in the queue
GRACE_S = 1.5  # for running jobs to finish at shutdown

logger = logging.getLogger(__name__)


class JobRunner:
    """Runs jobs on one connection, which the caller closes after `run` returns."""

    def __init__(
        self, db: Connection, parts: JobResources, kinds: Mapping[JobKind, JobFunction] = KINDS
    ) -> None:
        self._parts = parts
        self._working: set[asyncio.Task[None]] = set()  # of the jobs that run now
        queue = bind_queue_queries(db)
        self._queue = PgQueuer(queue.driver, queries=queue)
        for kind, run in kinds.items():
            self._queue.entrypoint(kind, accepts_context=False)(partial(self._run_queue_entry, run))
        self._queue.schedule("prune", PRUNE_AT, accepts_context=False)(self._queue_prune_jobs)
        self._queue.schedule("retention", RETENTION_AT, accepts_context=False)(
            self._queue_retention_jobs
        )

    async def run(self) -> None:
        """Runs until cancelled, then gives running jobs GRACE_S to finish and releases the rest.

        Raises database errors of the connection.
        """
        running = asyncio.create_task(self._run_queue())
        lost = asyncio.create_task(self._requeue_lost_jobs())
        try:
            await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._queue.shutdown.set()
            await asyncio.wait({running}, timeout=GRACE_S)
            for task in self._working | {lost}:
                task.cancel()
            outcomes = await asyncio.gather(running, lost, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _run_queue(self) -> None:
        await self._queue.run(
            dequeue_timeout=POLL,
            batch_size=AT_ONCE // 2,
            max_concurrent_tasks=AT_ONCE,
            heartbeat_timeout=HEARTBEAT,
            shutdown_on_listener_failure=True,
            log_aggregation_interval=timedelta(0),
        )

    async def _queue_prune_jobs(self, _: Schedule) -> None:
        await queue_prune_jobs_and_trim_log(self._parts.pool)

    async def _queue_retention_jobs(self, _: Schedule) -> None:
        await queue_for_every_tenant(self._parts.pool, "retention")

    async def _requeue_lost_jobs(self) -> None:
        while True:
            async with acquire(self._parts.pool) as db:
                tenants = await list_tenants(db)
            for tenant in tenants:
                async with tenant_tx(self._parts.pool, tenant.id) as db:
                    await requeue_lost_jobs(db, tenant.id)
            await asyncio.sleep(LOST_EVERY_S)

    async def _run_queue_entry(self, run: JobFunction, entry: Job) -> None:
        """Runs the job of an entry. The library keeps the entry if this raises RetryRequested."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 a coroutine runs in a task
        self._working.add(task)
        try:
            delay = await self._start_and_run_job(run, *parse_job_entry(entry.payload))
        finally:
            self._working.discard(task)
        if delay is not None:
            # raised outside of any handler: the library stores the text of an exception's cause
            raise RetryRequested(delay)

    async def _start_and_run_job(
        self, run: JobFunction, tenant_id: UUID, job_id: UUID
    ) -> timedelta | None:
        """Runs a job. Returns the delay before its next start, or None if there is none."""
        try:
            async with tenant_tx(self._parts.pool, tenant_id) as db:
                job = await mark_job_started(db, tenant_id, job_id)
            if job is None:
                return None
            return await self._run_started_job(run, Work(self._parts, tenant_id, job))
        except Exception as error:  # noqa: BLE001 a process edge; the job's row has its state
            logger.warning("job not started or not ended", extra={"kind": type(error).__name__})
            return POLL

    async def _run_started_job(self, run: JobFunction, work: Work) -> timedelta | None:
        began = monotonic()
        job = work.job
        if job.tries > MAX_TRIES:  # each try killed its process before it could record a failure
            await self._fail_job(work, "Died")
            return None
        try:
            await run(work)
        except Conflict:
            logger.info("job taken over by another process", extra={"job_id": str(job.id)})
            return None
        except asyncio.CancelledError:  # the process stops
            async with tenant_tx(self._parts.pool, work.tenant_id) as db:
                await release_job(db, work.tenant_id, job.id, job.tries)
            return timedelta(0)
        except Exception as error:
            logger.exception("job failed", extra={"job_id": str(job.id), "attempt": job.tries})
            return await self._postpone_or_fail_job(work, type(error).__name__)
        metrics.JOB_SECONDS.observe(monotonic() - began, kind=job.kind)
        metrics.JOBS.inc(kind=job.kind, outcome="completed")
        return None

    async def _postpone_or_fail_job(self, work: Work, error: str) -> timedelta | None:
        job = work.job
        if job.tries >= MAX_TRIES:
            await self._fail_job(work, error)
            return None
        delay: timedelta = FIRST_DELAY * 2 ** (job.tries - 1)
        async with tenant_tx(self._parts.pool, work.tenant_id) as db:
            await postpone_job(db, work.tenant_id, job.id, job.tries, delay=delay, error=error)
        metrics.JOBS.inc(kind=job.kind, outcome="retried")
        return delay

    async def _fail_job(self, work: Work, error: str) -> None:
        job = work.job
        async with tenant_tx(self._parts.pool, work.tenant_id) as db:
            await mark_job_failed(db, work.tenant_id, job.id, job.tries, error=error)
        metrics.JOBS.inc(kind=job.kind, outcome="failed")
