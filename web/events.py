"""The event log of a session. Owns /api/sessions/{id}/events, for admins."""

from uuid import UUID

from fastapi import APIRouter, Response

from db import NotFound, tenant_tx
from db.events import list_events
from db.roles import require
from db.sessions import find_session
from web.context import Caller, Running
from web.errors import PROBLEMS
from web.models import EventLog, LoggedEvent

router = APIRouter(prefix="/api", tags=["sessions"], responses=PROBLEMS)


@router.get("/sessions/{session_id}/events")
async def get_events(
    session_id: UUID, response: Response, running: Running, caller: Caller
) -> EventLog:
    """What happened in a session, in order, each event chained to the one before by its hash."""
    require(caller.account, "read_event_logs")
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        if await find_session(db, caller.tenant_id, session_id) is None:
            raise NotFound("session")
        events = await list_events(db, caller.tenant_id, session_id)
    response.headers["Cache-Control"] = "no-store"
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
