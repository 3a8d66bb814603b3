"""Sessions and the agent job that serves each. Owns sessions; every change is logged with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from db import Conflict, Connection, NotFound, fetch_one
from db.attendance import close_session
from db.event_kinds import (
    AgentDispatched,
    AgentLost,
    SessionEnded,
    SessionResumed,
    SessionStarted,
)
from db.events import append_event
from protocol import SessionKind

SessionStatus = Literal["scheduled", "active", "completed", "cancelled", "no_show"]


@dataclass(frozen=True)
class Session:
    """A conversation in a room; `started_at` is zero of its clock.

    `agent_epoch` counts the dispatches; the job of the current one writes `agent_beat_at`.
    """

    id: UUID
    tenant_id: UUID
    room_id: UUID
    kind: SessionKind
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None
    room_sid: str
    agent_epoch: int
    agent_dispatched_at: datetime | None
    agent_beat_at: datetime | None


async def find_active_session(db: Connection, tenant_id: UUID, room_id: UUID) -> Session | None:
    """The running session of a room; there is at most one."""
    row = await db.fetchrow(
        """select id, tenant_id, room_id, kind, status, started_at, ended_at, room_sid,
                  agent_epoch, agent_dispatched_at, agent_beat_at
           from sessions where tenant_id = $1 and room_id = $2 and status = 'active'""",
        tenant_id,
        room_id,
    )
    return None if row is None else Session(**row)


async def find_session(db: Connection, tenant_id: UUID, session_id: UUID) -> Session | None:
    """One session of the tenant."""
    row = await db.fetchrow(
        """select id, tenant_id, room_id, kind, status, started_at, ended_at, room_sid,
                  agent_epoch, agent_dispatched_at, agent_beat_at
           from sessions where tenant_id = $1 and id = $2""",
        tenant_id,
        session_id,
    )
    return None if row is None else Session(**row)


async def insert_session(
    db: Connection, tenant_id: UUID, room_id: UUID, room_sid: str, now: datetime
) -> Session:
    """A new running session of the room. Raises Conflict where one runs already.

    After a Conflict the transaction is lost: hold `rooms.lock_room` and look first.
    """
    try:
        row = await fetch_one(
            db,
            """insert into sessions (tenant_id, room_id, room_sid, started_at)
               values ($1, $2, $3, $4)
               returning id, tenant_id, room_id, kind, status, started_at, ended_at, room_sid,
                         agent_epoch, agent_dispatched_at, agent_beat_at""",
            tenant_id,
            room_id,
            room_sid,
            now,
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"room {room_id} has a running session") from error
    session = Session(**row)
    started = SessionStarted(kind=session.kind, room_id=room_id, room_sid=room_sid)
    await append_event(db, tenant_id, session.id, started, now)
    return session


async def update_room_sid(
    db: Connection, tenant_id: UUID, session_id: UUID, room_sid: str, now: datetime
) -> None:
    """The session goes on in a LiveKit room made anew. Raises NotFound."""
    await db.execute(
        "update sessions set room_sid = $3 where tenant_id = $1 and id = $2",
        tenant_id,
        session_id,
        room_sid,
    )
    await append_event(db, tenant_id, session_id, SessionResumed(room_sid=room_sid), now)


async def update_epoch(db: Connection, tenant_id: UUID, session_id: UUID, now: datetime) -> int:
    """One dispatch more: returns its epoch. Raises NotFound where the session does not run.

    The agent before it is lost, unless the log has it under the key `gone:<epoch>` already.
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


async def beat(
    db: Connection, tenant_id: UUID, session_id: UUID, epoch: int, now: datetime
) -> bool:
    """The job of this epoch lives. False: a newer one serves, or the session has ended."""
    status = await db.execute(
        """update sessions set agent_beat_at = $4
           where tenant_id = $1 and id = $2 and agent_epoch = $3 and status = 'active'""",
        tenant_id,
        session_id,
        epoch,
        now,
    )
    return status == "UPDATE 1"


async def end_session(
    db: Connection, tenant_id: UUID, session_id: UUID, now: datetime, *, epoch: int | None = None
) -> None:
    """Completes a running session and closes what attendance was left open in it.

    With an epoch only while that agent is the newest: the session may go on in a room made anew.
    """
    ended = await db.fetchval(
        """update sessions set status = 'completed', ended_at = $3
           where tenant_id = $1 and id = $2 and status = 'active'
             and ($4::int is null or agent_epoch = $4)
           returning id""",
        tenant_id,
        session_id,
        now,
        epoch,
    )
    if ended is not None:
        await _log_end(db, tenant_id, session_id, now)


async def end_session_in_room(
    db: Connection, tenant_id: UUID, room_sid: str, ended_at: datetime
) -> None:
    """Completes the running session that is held in this LiveKit room, and closes who is open.

    A session that went on in a room made anew does not end with the old one.
    """
    row = await db.fetchrow(
        """update sessions set status = 'completed', ended_at = greatest($3, started_at)
           where tenant_id = $1 and room_sid = $2 and status = 'active'
           returning id, ended_at""",
        tenant_id,
        room_sid,
        ended_at,
    )
    if row is not None:
        await _log_end(db, tenant_id, row["id"], row["ended_at"])


async def _log_end(db: Connection, tenant_id: UUID, session_id: UUID, ended_at: datetime) -> None:
    """The end of a session that was just completed, behind the departures it brings."""
    await close_session(db, tenant_id, session_id, ended_at)
    await append_event(db, tenant_id, session_id, SessionEnded(status="completed"), ended_at)


@dataclass(frozen=True)
class Running:
    """A running session, by the LiveKit room it is held in."""

    session_id: UUID
    room_name: str
    room_sid: str
    agent_epoch: int


async def list_running(db: Connection, tenant_id: UUID) -> list[Running]:
    """The running sessions of the tenant that ever had a LiveKit room."""
    rows = await db.fetch(
        """select s.id as session_id, r.name as room_name, s.room_sid, s.agent_epoch
           from sessions s join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           where s.tenant_id = $1 and s.status = 'active' and s.room_sid <> '' order by r.name""",
        tenant_id,
    )
    return [Running(**row) for row in rows]
