"""Leases: which agent serves a session. Reads and takes the agent_* columns of sessions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db import Connection, NotFound, set_tenant


@dataclass(frozen=True)
class Lease:
    """A running session with the tutor, as the watcher sees it.

    Of the epoch's agent: `taken_at` is None until a worker took its dispatch, `beat_at` until
    its job began; `left`: it went on purpose. `present`: somebody is in the room, as far as
    attendance tells.
    """

    tenant_id: UUID
    session_id: UUID
    room_id: UUID
    room_name: str
    room_sid: str
    epoch: int
    taken_at: datetime | None
    beat_at: datetime | None
    left: bool
    present: bool


async def list_leases(db: Connection, tenant_ids: list[UUID]) -> list[Lease]:
    """The tutor's running sessions of these tenants in a LiveKit room. Within a transaction."""
    found = []
    for tenant_id in tenant_ids:
        await set_tenant(db, tenant_id)
        found += await list_tenant_leases(db, tenant_id)
    return found


async def list_tenant_leases(db: Connection, tenant_id: UUID) -> list[Lease]:
    """The same of one tenant, in the order of the rooms' names."""
    rows = await db.fetch(
        """select s.tenant_id, s.id as session_id, s.room_id, r.name as room_name, s.room_sid,
                  s.agent_epoch as epoch, s.agent_taken_at as taken_at, s.agent_beat_at as beat_at,
                  exists (select from session_state_events e
                          where e.tenant_id = s.tenant_id and e.session_id = s.id
                            and e.idempotency_key = 'gone:' || s.agent_epoch) as left,
                  exists (select from livekit_participants p
                          where p.tenant_id = s.tenant_id and p.session_id = s.id
                            and p.left_at is null) as present
           from sessions s join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           where s.tenant_id = $1 and s.status = 'active' and s.kind = 'tutor'
             and s.room_sid <> ''
           order by r.name""",
        tenant_id,
    )
    return [Lease(**row) for row in rows]


async def take_dispatch(
    db: Connection, tenant_id: UUID, session_id: UUID, epoch: int, now: datetime
) -> bool:
    """A worker takes the dispatch of this epoch. False: another one did, or a newer epoch serves.

    Raises NotFound for an epoch that is not there yet: its transaction commits in a moment.
    """
    status = await db.execute(
        """update sessions set agent_taken_at = $4
           where tenant_id = $1 and id = $2 and agent_epoch = $3 and status = 'active'
             and agent_taken_at is null""",
        tenant_id,
        session_id,
        epoch,
        now,
    )
    if status == "UPDATE 1":
        return True
    newest: int | None = await db.fetchval(
        "select agent_epoch from sessions where tenant_id = $1 and id = $2", tenant_id, session_id
    )
    if newest is None or newest < epoch:
        raise NotFound(f"epoch {epoch} of session {session_id}")
    return False
