"""Deletes old rows."""

from datetime import timedelta

from db.auth_sessions import delete_ended_auth_sessions
from db.notices import delete_old_notices
from db.queue import delete_completed_jobs
from db.webhooks import delete_webhook_events
from jobs.work import Work

WEBHOOKS_KEPT = timedelta(days=30)
JOBS_KEPT = timedelta(days=7)


async def delete_old_rows(work: Work) -> None:
    async with work.completing_transaction() as db:
        await delete_webhook_events(db, work.tenant_id, WEBHOOKS_KEPT)
        await delete_old_notices(db, work.tenant_id, work.parts.clock())
        await delete_ended_auth_sessions(db, work.tenant_id, work.parts.clock())
        await delete_completed_jobs(db, work.tenant_id, JOBS_KEPT)
