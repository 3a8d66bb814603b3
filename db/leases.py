"""Leases: which agent serves a session. Owns the agent_* columns of sessions.

Each dispatch of a session has an epoch, counted from 1. The agent of the newest epoch holds the
lease and renews it by a heartbeat.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db import Connection, NotFound, fetch_one, set_tenant
from db.event_kinds import AgentDispatched, AgentLost
from db.events import append_event
from db.sessions import end_session


@dataclass(frozen=True)
class LastDispatch:
    """The newest dispatch of a session.

    `epoch` is 0 before the first one; `heartbeat_at` is None until the agent's job has begun.
    """

    epoch: int
    dispatched_at: datetime | None
    heartbeat_at: datetime | None


@dataclass(frozen=True)
class Lease:
    """A running tutor session, as the watcher sees it.

    `taken_at` is None until a worker takes the dispatch of the epoch, `heartbeat_at` until its job
    begins. `left`: the agent left on purpose. `present`: somebody is in the room, according to
    attendance.
    """

    tenant_id: UUID
    session_id: UUID
    room_id: UUID
    room_name: str
    room_sid: str
    epoch: int
    taken_at: datetime | None
    heartbeat_at: datetime | None
    left: bool
    present: bool


@dataclass(frozen=True)
class RunningSession:
    session_id: UUID
    room_name: str
    room_sid: str
    epoch: int


async def select_dispatch(db: Connection, tenant_id: UUID, session_id: UUID) -> LastDispatch:
    row = await fetch_one(
        db,
        """select agent_epoch as epoch, agent_dispatched_at as dispatched_at,
                  agent_beat_at as heartbeat_at
           from sessions where tenant_id = $1 and id = $2""",
        tenant_id,
        session_id,
    )
    return LastDispatch(**row)


async def list_leases(db: Connection, tenant_ids: list[UUID]) -> list[Lease]:
    """Running tutor sessions of these tenants that have a LiveKit room.

    Call it in a transaction, whose tenant it changes.
    """
    found = []
    for tenant_id in tenant_ids:
        await set_tenant(db, tenant_id)
        found += await list_tenant_leases(db, tenant_id)
    return found


async def list_tenant_leases(db: Connection, tenant_id: UUID) -> list[Lease]:
    rows = await db.fetch(
        """select s.tenant_id, s.id as session_id, s.room_id, r.name as room_name, s.room_sid,
                  s.agent_epoch as epoch, s.agent_taken_at as taken_at,
                  s.agent_beat_at as heartbeat_at,
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


async def list_running_sessions(db: Connection, tenant_id: UUID) -> list[RunningSession]:
    rows = await db.fetch(
        """select s.id as session_id, r.name as room_name, s.room_sid, s.agent_epoch as epoch
           from sessions s join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           where s.tenant_id = $1 and s.status = 'active' and s.room_sid <> '' order by r.name""",
        tenant_id,
    )
    return [RunningSession(**row) for row in rows]


async def begin_next_epoch(db: Connection, tenant_id: UUID, session_id: UUID, now: datetime) -> int:
    """Starts the next epoch and returns it. Raises NotFound if the session is not running.

    Logs the previous agent as lost, unless it is already logged as left.
    """
    epoch: int | None = await db.fetchval(
        """update sessions set agent_epoch = agent_epoch + 1, agent_dispatched_at = $3,
                  agent_taken_at = null, agent_beat_at = null
           where tenant_id = $1 and id = $2 and status = 'active'
           returning agent_epoch""",
        tenant_id,
        session_id,
        now,
    )
    if epoch is None:
        raise NotFound(f"session {session_id}")
    if epoch > 1:
        lost = AgentLost(epoch=epoch - 1)
        await append_event(db, tenant_id, session_id, lost, now, key=f"gone:{lost.epoch}")
    await append_event(db, tenant_id, session_id, AgentDispatched(epoch=epoch), now)
    return epoch


async def clear_dispatch(db: Connection, tenant_id: UUID, session_id: UUID) -> None:
    """Makes the session look undispatched, so that the next learner to join gets an agent."""
    await db.execute(
        "update sessions set agent_dispatched_at = null where tenant_id = $1 and id = $2",
        tenant_id,
        session_id,
    )


async def take_dispatch(
    db: Connection, tenant_id: UUID, session_id: UUID, epoch: int, now: datetime
) -> bool:
    """Takes the dispatch for a worker. False if another worker has it or it is not the newest.

    Raises NotFound if the epoch is not committed yet.
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


async def update_heartbeat(
    db: Connection, tenant_id: UUID, session_id: UUID, epoch: int, now: datetime
) -> bool:
    status = await db.execute(
        """update sessions set agent_beat_at = $4
           where tenant_id = $1 and id = $2 and agent_epoch = $3 and status = 'active'""",
        tenant_id,
        session_id,
        epoch,
        now,
    )
    return status == "UPDATE 1"


async def end_leased_session(
    db: Connection, tenant_id: UUID, session_id: UUID, epoch: int, now: datetime
) -> None:
    """Ends the session unless it has a newer epoch, which may be in a new room."""
    newest = await db.fetchval(
        "select agent_epoch from sessions where tenant_id = $1 and id = $2 for update",
        tenant_id,
        session_id,
    )
    if newest == epoch:
        await end_session(db, tenant_id, session_id, now)
