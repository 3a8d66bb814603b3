"""The event log of a session. Owns /api/sessions/{id}/events."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from db import NotFound, tenant_tx
from db.events import list_events
from db.roles import require_permission
from db.sessions import find_session
from web.camel import CamelModel
from web.dependencies import Caller, Running
from web.error_responses import PROBLEMS

router = APIRouter(prefix="/api", tags=["sessions"], responses=PROBLEMS)


class LoggedEvent(CamelModel):
    """One event of a session. The payload has ids and numbers, in snake_case as it was hashed."""

    seq: int
    type: str
    version: int
    at: datetime
    payload: dict[str, str | int | None]
    hash: str = Field(description="SHA-256 of this event and the hash before it, hexadecimal")


class EventLog(CamelModel):
    """All events of a session in order; `seq` counts from 1 without gaps."""

    session_id: UUID
    events: list[LoggedEvent]


@router.get("/sessions/{session_id}/events")
async def get_events(session_id: UUID, running: Running, caller: Caller) -> EventLog:
    """The event log of a session, for admins. Each event's hash covers the hash before it."""
    require_permission(caller.account, "read_event_logs")
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        if await find_session(db, caller.tenant_id, session_id) is None:
            raise NotFound("session")
        events = await list_events(db, caller.tenant_id, session_id)
    return EventLog(
        session_id=session_id,
        events=[
            LoggedEvent(
                seq=event.seq,
                type=event.type,
                version=event.version,
                at=event.at,
                payload=dict(event.payload),
                hash=event.hash.hex(),
            )
            for event in events
        ],
    )
