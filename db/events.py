"""The event log of a session. Owns session_state_events and session_event_heads.

The log has no gaps: one statement writes the counter and the event. Grants and a trigger make it
append-only. A hash chain reveals rows that were changed in spite of the trigger.

An append locks the session's head until the transaction ends. Locks are taken in the order
room_learners, livekit_rooms, sessions, livekit_participants, heads; several heads by session id.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from db import Conflict, Connection, NotFound
from db.event_chain import EventHead, SessionEvent, canonical_json, format_time
from db.event_kinds import Event, SessionStarted, payload_of


async def append_event(
    db: Connection,
    tenant_id: UUID,
    session_id: UUID,
    event: Event,
    now: datetime,
    *,
    key: str | None = None,
) -> EventHead:
    """Appends in the caller's transaction. If `key` was used before, returns the earlier event.

    Raises NotFound if the log was not opened by session.started, and Conflict if it is opened
    twice, which aborts the transaction.
    """
    if key is not None:
        earlier = await _lock_log_and_find_event(db, tenant_id, session_id, key)
        if earlier is not None:
            return earlier
    insert = _insert_first_event if isinstance(event, SessionStarted) else _insert_next_event
    payload = canonical_json(payload_of(event))
    row = await insert(
        db,
        tenant_id,
        session_id,
        event.type,
        event.version,
        now,
        payload,
        f"{event.type}\n{event.version}\n{format_time(now)}\n{payload}",
        key,
    )
    if row is None:
        raise NotFound(f"log of session {session_id}")
    return EventHead(**row)


async def lock_log_and_check_event(
    db: Connection, tenant_id: UUID, session_id: UUID, key: str
) -> bool:
    """Whether an event with this key is in the log. Locks the log, as an append does."""
    return await _lock_log_and_find_event(db, tenant_id, session_id, key) is not None


async def _lock_log_and_find_event(
    db: Connection, tenant_id: UUID, session_id: UUID, key: str
) -> EventHead | None:
    """Locks the head first, so that no other transaction can add the key."""
    await db.execute(
        """select from session_event_heads where tenant_id = $1 and session_id = $2 for update""",
        tenant_id,
        session_id,
    )
    row = await db.fetchrow(
        """select seq, hash from session_state_events
           where tenant_id = $1 and session_id = $2 and idempotency_key = $3""",
        tenant_id,
        session_id,
        key,
    )
    return None if row is None else EventHead(**row)


async def _insert_first_event(db: Connection, *values: Any) -> asyncpg.Record | None:
    try:
        return await db.fetchrow(
            r"""with head as (
                 insert into session_event_heads (tenant_id, session_id, last_seq, last_hash)
                 values ($1, $2, 1, sha256(decode(repeat('00', 32), 'hex')
                   || convert_to(($2::uuid)::text || E'\n1\n' || $7::text, 'UTF8')))
                 returning last_seq, last_hash
               )
               insert into session_state_events
                 (tenant_id, session_id, seq, type, version, at, payload, hash, idempotency_key)
               select $1, $2, last_seq, $3, $4, $5, $6, last_hash, $8 from head
               returning seq, hash""",
            *values,
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict("the log has begun") from error


async def _insert_next_event(db: Connection, *values: Any) -> asyncpg.Record | None:
    return await db.fetchrow(
        r"""with head as (
             update session_event_heads
             set last_seq = last_seq + 1,
                 last_hash = sha256(last_hash || convert_to(
                   session_id::text || E'\n' || last_seq + 1 || E'\n' || $7::text, 'UTF8'))
             where tenant_id = $1 and session_id = $2
             returning last_seq, last_hash
           )
           insert into session_state_events
             (tenant_id, session_id, seq, type, version, at, payload, hash, idempotency_key)
           select $1, $2, last_seq, $3, $4, $5, $6, last_hash, $8 from head
           returning seq, hash""",
        *values,
    )


async def list_events(db: Connection, tenant_id: UUID, session_id: UUID) -> list[SessionEvent]:
    rows = await db.fetch(
        """select session_id, seq, type, version, at, payload, hash from session_state_events
           where tenant_id = $1 and session_id = $2 order by seq""",
        tenant_id,
        session_id,
    )
    return [SessionEvent(**{**row, "payload": json.loads(row["payload"])}) for row in rows]


async def find_event_head(db: Connection, tenant_id: UUID, session_id: UUID) -> EventHead | None:
    row = await db.fetchrow(
        """select last_seq as seq, last_hash as hash from session_event_heads
           where tenant_id = $1 and session_id = $2""",
        tenant_id,
        session_id,
    )
    return None if row is None else EventHead(**row)
