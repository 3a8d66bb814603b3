"""Which function runs each kind of job, and which jobs run on a schedule."""

from collections.abc import Mapping

from db import Connection, Pool, acquire, tenant_tx
from db.queue import JobKind, delete_queue_log, enqueue_job
from db.tenants import list_tenants
from jobs.pictures import delete_pictures
from jobs.prune import JOBS_KEPT, delete_old_rows
from jobs.retention import remove_old_data
from jobs.work import JobFunction

KINDS: Mapping[JobKind, JobFunction] = {
    "prune": delete_old_rows,
    "retention": remove_old_data,
    "delete_pictures": delete_pictures,
}
PRUNE_AT = "7 * * * *"  # each hour, off the full hour
RETENTION_AT = "23 3 * * *"  # each night, UTC


async def queue_prune_jobs_and_trim_log(pool: Pool) -> None:
    """Queues the hourly job of every tenant. Deletes old entries of the library's log."""
    async with acquire(pool) as db:
        await delete_queue_log(db, JOBS_KEPT)
    await queue_for_every_tenant(pool, "prune")


async def queue_for_every_tenant(pool: Pool, kind: JobKind) -> None:
    db: Connection
    async with acquire(pool) as db:
        tenants = await list_tenants(db)
    for tenant in tenants:
        async with tenant_tx(pool, tenant.id) as db:
            await enqueue_job(db, tenant.id, kind, {})
