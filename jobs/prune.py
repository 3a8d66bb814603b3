"""Deletes rows that have been kept for long enough."""

from datetime import timedelta

from db.notices import delete_old_notices
from db.queue import delete_completed_jobs
from db.webhooks import delete_events
from jobs.work import Work

WEBHOOKS_KEPT = timedelta(days=30)
JOBS_KEPT = timedelta(days=7)


async def prune(work: Work) -> None:
    """Old webhook events, notices and completed jobs of one tenant."""
    async with work.finish() as db:
        await delete_events(db, work.tenant_id, WEBHOOKS_KEPT)
        await delete_old_notices(db, work.tenant_id, work.parts.clock())
        await delete_completed_jobs(db, work.tenant_id, JOBS_KEPT)
