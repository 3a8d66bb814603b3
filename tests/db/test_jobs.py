"""Background jobs: queued in a transaction, done once, retried, released at shutdown."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from time import monotonic
from uuid import UUID, uuid4

import asyncpg
import pytest

from db import Conflict, Pool, create_pool, set_tenant, tenant_tx
from db.queue import (
    JobKind,
    bind_queue_queries,
    count_jobs,
    enqueue_job,
    mark_job_started,
    requeue_lost_jobs,
    retry_failed_jobs,
)
from db.tenants import ensure_tenant
from jobs.work import JobFunction, JobResources, Work
from tests.conftest import Database
from tests.db.job_parts import (
    NOWHERE,
    leave_mark,
    marks,
    running,
    state_of,
    until_ended,
    utc_now,
)
from tests.db.rows import NOW, at

MARK: dict[JobKind, JobFunction] = {"prune": leave_mark}


async def queue_one(pool: Pool, tenant_id: UUID) -> UUID:
    async with tenant_tx(pool, tenant_id) as db:
        return await enqueue_job(db, tenant_id, "prune", {})


async def entries(pool: Pool) -> list[asyncpg.Record]:
    async with pool.acquire() as db:
        return await db.fetch("select status::text, payload from pgqueuer.pgqueuer")


async def test_job_is_queued_only_if_its_transaction_commits(pool: Pool, tenant_id: UUID) -> None:
    async with pool.acquire() as db:
        transaction = db.transaction()
        await transaction.start()
        await set_tenant(db, tenant_id)
        await enqueue_job(db, tenant_id, "prune", {})
        await transaction.rollback()
    assert await entries(pool) == []
    job_id = await queue_one(pool, tenant_id)
    (entry,) = await entries(pool)
    assert entry["payload"].decode() == f"{tenant_id}/{job_id}"
    assert dict(await state_of(pool, tenant_id, job_id)) == {
        "state": "pending", "tries": 0, "error": "",
    }  # fmt: skip


async def test_job_of_another_tenant_cannot_be_started(pool: Pool, tenant_id: UUID) -> None:
    job_id = await queue_one(pool, tenant_id)
    async with pool.acquire() as db:
        other = await ensure_tenant(db, "other", "Other")
    async with tenant_tx(pool, other.id) as db:
        assert await mark_job_started(db, tenant_id, job_id) is None
        assert await mark_job_started(db, other.id, job_id) is None
    assert (await state_of(pool, tenant_id, job_id))["state"] == "pending"


async def test_queued_job_runs_and_completes(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    async with running(database, pool, MARK):
        job_id = await queue_one(pool, tenant_id)
        await until_ended(pool, tenant_id, 1)
    assert await marks(pool, tenant_id) == [job_id]
    assert (await state_of(pool, tenant_id, job_id))["state"] == "completed"
    assert await entries(pool) == []


async def test_two_runners_share_the_jobs_and_do_each_once(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    queued = {await queue_one(pool, tenant_id) for _ in range(30)}
    async with running(database, pool, MARK), running(database, pool, MARK):
        await until_ended(pool, tenant_id, len(queued))
    done = await marks(pool, tenant_id)
    assert len(done) == len(queued)
    assert set(done) == queued


async def test_failing_job_is_tried_five_times_with_growing_pauses(
    pool: Pool, database: Database, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.runner.FIRST_DELAY", timedelta(milliseconds=100))
    began: list[float] = []

    async def fail(_: Work) -> None:
        began.append(monotonic())
        raise ValueError("a secret")

    job_id = await queue_one(pool, tenant_id)
    async with running(database, pool, {"prune": fail}):
        await until_ended(pool, tenant_id, 1)
        row = await state_of(pool, tenant_id, job_id)
    assert dict(row) == {"state": "failed", "tries": 5, "error": "ValueError"}
    pauses = [later - earlier for earlier, later in pairwise(began)]
    longer = [pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=True)]
    assert longer == [True] * 4
    async with pool.acquire() as db:
        log = await db.fetch("select traceback::text as text from pgqueuer.pgqueuer_log")
    assert [row["text"] for row in log if "secret" in (row["text"] or "")] == []


async def test_job_that_fails_once_completes_at_its_second_try(
    pool: Pool, database: Database, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.runner.FIRST_DELAY", timedelta(milliseconds=10))

    async def fail_first(work: Work) -> None:
        if work.job.tries == 1:
            raise ValueError
        await leave_mark(work)

    job_id = await queue_one(pool, tenant_id)
    async with running(database, pool, {"prune": fail_first}):
        await until_ended(pool, tenant_id, 1)
    assert await marks(pool, tenant_id) == [job_id]
    assert (await state_of(pool, tenant_id, job_id))["tries"] == 2


async def test_job_whose_process_died_five_times_is_not_started_again(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    job_id = await queue_one(pool, tenant_id)
    for _ in range(5):
        async with tenant_tx(pool, tenant_id) as db:
            await mark_job_started(db, tenant_id, job_id)
    async with running(database, pool, MARK):
        await until_ended(pool, tenant_id, 1)
    assert await marks(pool, tenant_id) == []
    assert (await state_of(pool, tenant_id, job_id))["state"] == "failed"


async def test_failed_job_is_queued_again_with_its_tries_reset(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    job_id = await queue_one(pool, tenant_id)
    async with tenant_tx(pool, tenant_id) as db:
        await db.execute("update background_jobs set state = 'failed', tries = 5")
        await db.execute("delete from pgqueuer.pgqueuer")
        assert (await count_jobs(db, tenant_id, NOW)).failed == 1
        assert await retry_failed_jobs(db, tenant_id) == 1
    async with running(database, pool, MARK):
        await until_ended(pool, tenant_id, 1)
    assert await marks(pool, tenant_id) == [job_id]
    assert (await state_of(pool, tenant_id, job_id))["tries"] == 1


async def test_job_that_was_taken_over_has_no_effect(pool: Pool, tenant_id: UUID) -> None:
    job_id = await queue_one(pool, tenant_id)
    async with tenant_tx(pool, tenant_id) as db:
        first = await mark_job_started(db, tenant_id, job_id)
        second = await mark_job_started(db, tenant_id, job_id)
    assert first is not None
    assert second is not None
    with pytest.raises(Conflict):
        await leave_mark(Work(JobResources(pool, NOWHERE, utc_now), tenant_id, first))
    assert await marks(pool, tenant_id) == []
    await leave_mark(Work(JobResources(pool, NOWHERE, utc_now), tenant_id, second))
    assert await marks(pool, tenant_id) == [job_id]
    async with tenant_tx(pool, tenant_id) as db:
        assert await mark_job_started(db, tenant_id, job_id) is None


async def test_stopping_process_releases_its_job_without_counting_a_try(
    pool: Pool, database: Database, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.runner.GRACE_S", 0.05)
    started = asyncio.Event()

    async def last(_: Work) -> None:
        started.set()
        await asyncio.Event().wait()

    job_id = await queue_one(pool, tenant_id)
    async with running(database, pool, {"prune": last}):
        await asyncio.wait_for(started.wait(), 10)
    assert dict(await state_of(pool, tenant_id, job_id)) == {
        "state": "pending", "tries": 0, "error": "",
    }  # fmt: skip
    assert [row["status"] for row in await entries(pool)] == ["queued"]
    async with running(database, pool, MARK):
        await until_ended(pool, tenant_id, 1)
    assert await marks(pool, tenant_id) == [job_id]


async def test_stopping_process_lets_a_short_job_finish(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def wait_then_mark(work: Work) -> None:
        started.set()
        await go.wait()
        await leave_mark(work)

    job_id = await queue_one(pool, tenant_id)
    async with running(database, pool, {"prune": wait_then_mark}):
        await asyncio.wait_for(started.wait(), 10)
        asyncio.get_running_loop().call_later(0.1, go.set)
    assert await marks(pool, tenant_id) == [job_id]


async def test_missing_queue_entry_of_a_job_is_restored(pool: Pool, tenant_id: UUID) -> None:
    await queue_one(pool, tenant_id)
    async with tenant_tx(pool, tenant_id) as db:
        await db.execute("delete from pgqueuer.pgqueuer")
        assert await requeue_lost_jobs(db, tenant_id) == 0
    assert await entries(pool) == []  # it has been due for less than a minute
    async with tenant_tx(pool, tenant_id) as db:
        await db.execute("update background_jobs set due_at = due_at - interval '61 s'")
        assert await requeue_lost_jobs(db, tenant_id) == 1
        assert await requeue_lost_jobs(db, tenant_id) == 1
    assert len(await entries(pool)) == 1


async def test_age_of_the_oldest_pending_job_counts_from_when_it_was_due(
    pool: Pool, tenant_id: UUID
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        assert (await count_jobs(db, tenant_id, NOW)).oldest_s == 0
        for seconds in (-90, 5):
            await enqueue_job(db, tenant_id, "prune", {})
            await db.execute(
                "update background_jobs set due_at = $1 where due_at > $2", at(seconds), at(9)
            )
        counts = await count_jobs(db, tenant_id, NOW)
    assert (counts.pending, counts.failed, counts.oldest_s) == (2, 0, 90)


async def test_queue_tables_fit_the_installed_version_of_the_library(
    database: Database,
) -> None:
    db = await asyncpg.connect(database.dsn("bodh_owner"))
    plan = await bind_queue_queries(db).plan_upgrade()
    await db.close()
    assert list(plan.statements) == []


async def rows_of(pool: Pool, tenant_id: UUID, table: str) -> int:
    async with tenant_tx(pool, tenant_id) as db:
        count: int = await db.fetchval(f"select count(*) from {table}")  # noqa: S608
    return count


async def until_pruned(pool: Pool, tenant_id: UUID) -> None:
    """Waits until only the younger of the old webhook events is left."""
    async with asyncio.timeout(30):
        while await rows_of(pool, tenant_id, "webhook_events") != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


OLD = """
insert into webhook_events (tenant_id, id, name, created_at, processed_at)
select $1, 'EV_' || days, 'x', now(), now() - make_interval(days => days)
from unnest(array[29, 31]) days;
"""
OLD_NOTICES = """
insert into admin_notices (tenant_id, host, name, first_at, last_at, cleared_at)
select $1, 'h', 'disk_low', now(), now(), now() - make_interval(days => days)
from unnest(array[89, 91]) days;
"""
OLD_JOBS = """
insert into background_jobs (tenant_id, kind, state, ended_at)
select $1, 'prune', state, now() - make_interval(days => days)
from unnest(array['completed', 'completed', 'failed'], array[6, 8, 8]) old(state, days);
"""


async def test_jobs_role_prunes_old_rows_of_every_tenant(
    pool: Pool, database: Database, tenant_id: UUID
) -> None:
    async with pool.acquire() as db:
        other = await ensure_tenant(db, "other", "Other")
    owner = await asyncpg.connect(database.dsn("postgres"))
    for tenant in (tenant_id, other.id):
        for statement in (OLD, OLD_NOTICES, OLD_JOBS):
            await owner.execute(statement, tenant)
    await owner.execute(
        """insert into pgqueuer.pgqueuer_schedules (expression, entrypoint, next_run)
           values ('7 * * * *', 'prune', now() - interval '5 hours')"""  # was missed
    )
    await owner.close()
    jobs_pool = await create_pool(database.dsn("bodh_jobs"))
    async with running(database, jobs_pool), running(database, jobs_pool):
        for tenant in (tenant_id, other.id):
            await until_pruned(pool, tenant)
    await jobs_pool.close()
    for tenant in (tenant_id, other.id):
        assert await rows_of(pool, tenant, "admin_notices") == 1
        # the failed job, the young one, and the one that pruned
        assert await rows_of(pool, tenant, "background_jobs") == 3


async def test_unknown_tenant_in_an_entry_changes_nothing(pool: Pool, tenant_id: UUID) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        assert await mark_job_started(db, tenant_id, uuid4()) is None
