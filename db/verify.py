"""Verifies the event logs of all sessions: nothing was changed, removed or added by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from db import Connection, Pool, acquire, set_tenant
from db.event_chain import first_broken_seq
from db.events import find_event_head, list_events
from db.sessions import list_session_ids
from db.tenants import list_tenants


@dataclass(frozen=True)
class VerifiedLog:
    tenant: str
    session_id: UUID
    events: int
    broken_at: int | None


async def verify_logs(pool: Pool) -> AsyncIterator[VerifiedLog]:
    """The logs of every tenant, by session id. Reads each tenant's logs in one snapshot."""
    async with acquire(pool) as db:
        tenants = await list_tenants(db)
    for tenant in tenants:
        async with acquire(pool) as db, db.transaction(isolation="repeatable_read", readonly=True):
            await set_tenant(db, tenant.id)
            for session_id in await list_session_ids(db, tenant.id):
                events, broken_at = await _verify_log(db, tenant.id, session_id)
                yield VerifiedLog(tenant.slug, session_id, events, broken_at)


async def _verify_log(db: Connection, tenant_id: UUID, session_id: UUID) -> tuple[int, int | None]:
    """The number of events, and the seq of the first broken one."""
    events = await list_events(db, tenant_id, session_id)
    head = await find_event_head(db, tenant_id, session_id)
    broken_at = first_broken_seq(events, head)
    if head is None and broken_at is None:  # every session has a log, and every log has a head
        broken_at = len(events) + 1
    return len(events), broken_at
