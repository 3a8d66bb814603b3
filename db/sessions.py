"""Sessions. Owns sessions except its agent_* columns (`db.leases`); logs every change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from db import Conflict, Connection, fetch_one
from db.attendance import close_stays_of_session
from db.event_kinds import SessionEnded, SessionResumed, SessionStarted
from db.events import append_event
from protocol import SessionKind

SessionStatus = Literal["scheduled", "active", "completed", "cancelled", "no_show"]


@dataclass(frozen=True)
class Session:
    """`started_at` is second 0 of the session's clock."""

    id: UUID
    tenant_id: UUID
    room_id: UUID
    kind: SessionKind
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None
    room_sid: str


async def find_active_session(db: Connection, tenant_id: UUID, room_id: UUID) -> Session | None:
    row = await db.fetchrow(
        """select id, tenant_id, room_id, kind, status, started_at, ended_at, room_sid
           from sessions where tenant_id = $1 and room_id = $2 and status = 'active'""",
        tenant_id,
        room_id,
    )
    return None if row is None else Session(**row)


async def find_session(db: Connection, tenant_id: UUID, session_id: UUID) -> Session | None:
    row = await db.fetchrow(
        """select id, tenant_id, room_id, kind, status, started_at, ended_at, room_sid
           from sessions where tenant_id = $1 and id = $2""",
        tenant_id,
        session_id,
    )
    return None if row is None else Session(**row)


async def list_session_ids(db: Connection, tenant_id: UUID) -> list[UUID]:
    rows = await db.fetch("select id from sessions where tenant_id = $1 order by id", tenant_id)
    return [row["id"] for row in rows]


async def insert_session(
    db: Connection, tenant_id: UUID, room_id: UUID, room_sid: str, now: datetime
) -> Session:
    """Starts a session in the room. Raises Conflict if one is running.

    A Conflict aborts the transaction, so take `rooms.lock_room` and check first.
    """
    try:
        row = await fetch_one(
            db,
            """insert into sessions (tenant_id, room_id, room_sid, started_at)
               values ($1, $2, $3, $4)
               returning id, tenant_id, room_id, kind, status, started_at, ended_at, room_sid""",
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


async def record_resumed_room_sid(
    db: Connection, tenant_id: UUID, session_id: UUID, room_sid: str, now: datetime
) -> None:
    await db.execute(
        "update sessions set room_sid = $3 where tenant_id = $1 and id = $2",
        tenant_id,
        session_id,
        room_sid,
    )
    await append_event(db, tenant_id, session_id, SessionResumed(room_sid=room_sid), now)


async def end_session(db: Connection, tenant_id: UUID, session_id: UUID, now: datetime) -> None:
    ended = await db.fetchval(
        """update sessions set status = 'completed', ended_at = $3
           where tenant_id = $1 and id = $2 and status = 'active' returning id""",
        tenant_id,
        session_id,
        now,
    )
    if ended is not None:
        await _close_stays_and_append_end(db, tenant_id, session_id, now)


async def end_session_in_room(
    db: Connection, tenant_id: UUID, room_sid: str, ended_at: datetime
) -> None:
    """Completes the running session in this LiveKit room and closes its open attendance.

    A session that has moved to a new room continues.
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
        await _close_stays_and_append_end(db, tenant_id, row["id"], row["ended_at"])


async def _close_stays_and_append_end(
    db: Connection, tenant_id: UUID, session_id: UUID, ended_at: datetime
) -> None:
    """Logs the end of a session after the departures it causes."""
    await close_stays_of_session(db, tenant_id, session_id, ended_at)
    await append_event(db, tenant_id, session_id, SessionEnded(status="completed"), ended_at)
