"""The agent of a session: dispatching it, replacing it, recreating its room.

Each dispatch has an epoch, and the agent of the newest epoch serves the session. Only our own rows
show which agent is alive: the media server lists dead agents as present, and dispatches that no
worker accepted as open. An epoch is committed before its dispatch, so that the worker finds it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from livekit import api

from db import Connection, Pool, tenant_tx
from db import rooms as stored
from db.leases import Lease, begin_next_epoch, select_dispatch
from db.rooms import Room
from db.sessions import Session, find_active_session, record_resumed_room_sid
from protocol import DispatchMetadata, agent_identity, dump
from rooms.media import create_room, remove_participant, update_room_metadata
from rooms.metadata import read_opener_metadata
from rooms.room_lock import hold_room
from settings import Settings

logger = logging.getLogger(__name__)


async def dispatch_agent(
    settings: Settings, lk: api.LiveKitAPI, room_name: str, dispatch: DispatchMetadata
) -> None:
    """Dispatches the agent of an epoch. The first worker to accept it serves the session.

    The media server drops a dispatch that no worker accepts at once. Raises its errors.
    """
    await lk.agent_dispatch.create_dispatch(
        api.CreateAgentDispatchRequest(
            agent_name=settings.agent_name, room=room_name, metadata=dump(dispatch)
        )
    )
    facts = {"session_id": str(dispatch.session_id), "epoch": dispatch.epoch}
    logger.info("agent dispatched", extra={"room_id": str(dispatch.room_id), **facts})


@dataclass(frozen=True)
class FirstDispatch:
    """`replaced` is the epoch of an agent that may still be in the room; 0 for none."""

    metadata: DispatchMetadata
    replaced: int


async def begin_first_dispatch(
    db: Connection, session: Session, now: datetime
) -> FirstDispatch | None:
    """Starts the first epoch of a session; the watcher starts later ones. None if it has begun.

    Commit before `send_first_dispatch`. If that fails, the watcher repeats the dispatch.
    """
    last = await select_dispatch(db, session.tenant_id, session.id)
    if last.dispatched_at is not None:
        return None
    epoch = await begin_next_epoch(db, session.tenant_id, session.id, now)
    return FirstDispatch(_dispatch_metadata(session, epoch), last.epoch)


async def send_first_dispatch(
    settings: Settings, lk: api.LiveKitAPI, room: Room, first: FirstDispatch
) -> None:
    if first.replaced:
        await remove_agent(lk, room.name, first.metadata.session_id, first.replaced)
    await dispatch_agent(settings, lk, room.name, first.metadata)


async def repeat_dispatch(settings: Settings, lk: api.LiveKitAPI, lease: Lease) -> None:
    """Repeats a dispatch that no worker accepted. Raises the media server's errors."""
    await dispatch_agent(
        settings,
        lk,
        lease.room_name,
        DispatchMetadata(
            tenant_id=lease.tenant_id,
            room_id=lease.room_id,
            session_id=lease.session_id,
            epoch=lease.epoch,
            kind="tutor",  # the only kind that has leases
        ),
    )


async def replace_agent(
    settings: Settings, lk: api.LiveKitAPI, pool: Pool, lease: Lease, now: datetime
) -> bool:
    """Removes a lost agent from the room and dispatches the next, so that two never speak.

    Returns False if that is already done, or the agent has renewed its lease. Raises the errors of
    the database and the media server; the new epoch is kept, and `repeat_dispatch` completes it.
    """
    async with tenant_tx(pool, lease.tenant_id) as db:
        await stored.lock_room(db, lease.room_name)
        room = await stored.find_room_by_id(db, lease.tenant_id, lease.room_id)
        session = await find_active_session(db, lease.tenant_id, lease.room_id)
        if room is None or session is None or not await _is_still_serving(db, lease, session):
            return False
        epoch = await begin_next_epoch(db, lease.tenant_id, session.id, now)
    await remove_agent(lk, room.name, session.id, lease.epoch)
    await dispatch_agent(settings, lk, room.name, _dispatch_metadata(session, epoch))
    return True


async def recreate_room_and_dispatch_agent(
    settings: Settings, lk: api.LiveKitAPI, pool: Pool, lease: Lease, now: datetime
) -> bool:
    """Recreates a room that the media server lost, in the same session, with the next agent.

    Returns False if that is already done. Raises the errors of the database and the media server.
    """
    async with hold_room(pool, lease.tenant_id, lease.room_id):
        async with tenant_tx(pool, lease.tenant_id) as db:
            room = await stored.find_room_by_id(db, lease.tenant_id, lease.room_id)
            if room is None or await _find_lost_session(db, lease) is None:
                return False
            text = await read_opener_metadata(db, room)
        live = await create_room(lk, settings, room.name, text)
        if live.metadata != text:
            await update_room_metadata(lk, room.name, text)
        async with tenant_tx(pool, lease.tenant_id) as db:
            await stored.lock_room(db, lease.room_name)
            if (session := await _find_lost_session(db, lease)) is None:
                return False
            await record_resumed_room_sid(db, lease.tenant_id, session.id, live.sid, now)
            epoch = await begin_next_epoch(db, lease.tenant_id, session.id, now)
    logger.warning("room recreated", extra={"session_id": str(session.id), "epoch": epoch})
    await dispatch_agent(settings, lk, room.name, _dispatch_metadata(session, epoch))
    return True


async def _find_lost_session(db: Connection, lease: Lease) -> Session | None:
    """The room's session, unless it has moved to a new LiveKit room already."""
    session = await find_active_session(db, lease.tenant_id, lease.room_id)
    return session if session is not None and session.room_sid == lease.room_sid else None


async def remove_agent(lk: api.LiveKitAPI, room_name: str, session_id: UUID, epoch: int) -> None:
    await remove_participant(lk, room_name, agent_identity(session_id, epoch))


def _dispatch_metadata(session: Session, epoch: int) -> DispatchMetadata:
    return DispatchMetadata(
        tenant_id=session.tenant_id,
        room_id=session.room_id,
        session_id=session.id,
        epoch=epoch,
        kind=session.kind,
    )


async def _is_still_serving(db: Connection, lease: Lease, session: Session) -> bool:
    """Whether the lease's agent still serves the session, without a newer heartbeat."""
    last = await select_dispatch(db, session.tenant_id, session.id)
    return (session.id, last.epoch, last.heartbeat_at) == (
        lease.session_id,
        lease.epoch,
        lease.heartbeat_at,
    )
