"""The agent of a room. Owns the dispatch: one agent for a session, the newest epoch."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from livekit import api

from db import Connection, Pool, tenant_tx
from db import rooms as stored
from db.rooms import Room
from db.sessions import Session, find_active_session, update_epoch
from protocol import DispatchMetadata, agent_identity, dump
from rooms.media import MEDIA_ERRORS, MediaUnavailable, list_learners, remove_participant
from settings import Settings

logger = logging.getLogger(__name__)

BEAT_FRESH = timedelta(seconds=2.5)  # five missed beats: the agent job is gone
DISPATCH_YOUNG = timedelta(seconds=8)  # from a dispatch to the first beat, with room to spare


async def ensure_agent(
    settings: Settings,
    lk: api.LiveKitAPI,
    db: Connection,
    tenant_id: UUID,
    room: Room,
    session: Session,
    now: datetime,
) -> None:
    """One agent in the room: dispatches the next epoch unless the current one lives or comes.

    Only our own beat is believed: the media server lists dead agents as present and dispatches
    that no worker took as open. The caller holds the room's lock. Raises the media server's errors.
    """
    coming = session.agent_beat_at is None and younger(
        session.agent_dispatched_at, DISPATCH_YOUNG, now
    )
    if coming or younger(session.agent_beat_at, BEAT_FRESH, now):
        return
    if session.agent_epoch:
        await remove_participant(lk, room.name, agent_identity(session.id, session.agent_epoch))
    epoch = await update_epoch(db, tenant_id, session.id, now)
    metadata = DispatchMetadata(
        tenant_id=tenant_id, room_id=room.id, session_id=session.id, epoch=epoch
    )
    # not repeated on failure: two dispatches are two agents
    await lk.agent_dispatch.create_dispatch(
        api.CreateAgentDispatchRequest(
            agent_name=settings.agent_name, room=room.name, metadata=dump(metadata)
        )
    )
    logger.info(
        "agent dispatched",
        extra={"room_id": str(room.id), "session_id": str(session.id), "epoch": epoch},
    )


async def recheck_agent(
    settings: Settings,
    lk: api.LiveKitAPI,
    pool: Pool,
    tenant_id: UUID,
    room_id: UUID,
    now: datetime,
) -> bool:
    """Asks for an agent again where learners wait without one: no worker took the last dispatch.

    True where no further look is needed: the agent lives, or nobody waits. Raises MediaUnavailable.
    """
    async with tenant_tx(pool, tenant_id) as db:
        room = await stored.find_room_by_id(db, tenant_id, room_id)
        if room is None:
            return True
        await stored.lock_room(db, room.name)
        session = await find_active_session(db, tenant_id, room_id)
        if session is None or younger(session.agent_beat_at, BEAT_FRESH, now):
            return True
        try:
            if not await list_learners(lk, room.name):
                return True
            await ensure_agent(settings, lk, db, tenant_id, room, session, now)
        except MEDIA_ERRORS as error:
            if isinstance(error, api.ServerError) and error.code == "not_found":
                return True
            raise MediaUnavailable from error
    return False


def younger(at: datetime | None, limit: timedelta, now: datetime) -> bool:
    return at is not None and now - at < limit
