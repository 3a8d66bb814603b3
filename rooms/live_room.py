"""Prepares LiveKit before somebody joins: the room, its metadata, the session's agent."""

from dataclasses import replace
from datetime import datetime, timedelta

from livekit import api

from db import Connection, NotFound, Pool, tenant_tx
from db import rooms as stored
from db.accounts import Account
from db.attendance import is_session_occupied
from db.leases import clear_dispatch, select_dispatch
from db.rooms import Room
from db.sessions import (
    Session,
    end_session,
    find_active_session,
    insert_session,
    record_resumed_room_sid,
)
from rooms.agents import begin_first_dispatch, send_first_dispatch
from rooms.lessons import append_lesson_event
from rooms.media import (
    create_room,
    list_people_by_identity,
    update_participant_metadata,
    update_room_metadata,
)
from rooms.metadata import read_opener_metadata
from settings import Settings

AGENT_SILENT = timedelta(seconds=60)  # after this, the session does not continue in a new room


async def ensure_room_and_session(
    settings: Settings,
    lk: api.LiveKitAPI,
    pool: Pool,
    account: Account,
    room: Room,
    *,
    room_metadata: str,
    own_metadata: str,
    now: datetime,
) -> Session:
    """Prepares LiveKit for the account and returns the running session of the room.

    The room carries the metadata of the account that opened it; other learners carry
    their own. The caller holds the room. Raises the errors of the media server.
    """

    async def prepare_once() -> Session:
        live = await create_room(lk, settings, room.name, room_metadata)
        await _update_opener_and_metadata(
            lk, pool, account, room, live, room_metadata=room_metadata, own_metadata=own_metadata
        )
        async with tenant_tx(pool, room.tenant_id) as db:
            await stored.lock_room(db, room.name)
            learner = await stored.lock_room_learner(db, room.tenant_id, room.id, account.id)
            session = await _ensure_session_in_room(db, room, live.sid, now)
            dispatch = await begin_first_dispatch(db, session, now)
            await append_lesson_event(db, room.tenant_id, session.id, learner, now)
        if dispatch is not None:
            await send_first_dispatch(settings, lk, room, dispatch)
        return session

    try:
        return await prepare_once()
    except (api.ServerError, NotFound) as error:
        if isinstance(error, api.ServerError) and error.code != "not_found":
            raise
        # the room closed between two calls, or its agent ended the session: try once more
        return await prepare_once()


async def _update_opener_and_metadata(
    lk: api.LiveKitAPI,
    pool: Pool,
    account: Account,
    room: Room,
    live: api.Room,
    *,
    room_metadata: str,
    own_metadata: str,
) -> None:
    """Brings the metadata on the media server up to date with who enters."""
    async with tenant_tx(pool, room.tenant_id) as db:
        session = await find_active_session(db, room.tenant_id, room.id)
    is_new = session is None or session.room_sid != live.sid
    present = {} if is_new else await list_people_by_identity(lk, room.name)
    opens = room.opener_account_id == account.id or not present.keys() - {account.identity}
    async with tenant_tx(pool, room.tenant_id) as db:
        if opens:
            await stored.update_opener(db, room.tenant_id, room.id, account.id)
        # who joins the opener gets no token before the opener's private facts are gone
        text = room_metadata if opens else await read_opener_metadata(db, room)
    if live.metadata != text:
        await update_room_metadata(lk, room.name, text)
    before = None if opens else present.get(account.identity)
    if before is not None and before.metadata != own_metadata:
        await update_participant_metadata(lk, room.name, account.identity, own_metadata)


async def _ensure_session_in_room(
    db: Connection, room: Room, room_sid: str, now: datetime
) -> Session:
    """The session in the LiveKit room of that sid: the running one, or a new one.

    A session of an earlier LiveKit room continues if people were still in that room or its agent
    was there until recently: then the media server lost the room. Otherwise it has ended.
    """
    tenant_id = room.tenant_id
    running = await find_active_session(db, tenant_id, room.id)
    if running is None:
        return await insert_session(db, tenant_id, room.id, room_sid, now)
    if running.room_sid == room_sid:
        return running
    last = await select_dispatch(db, tenant_id, running.id)
    signs = [at for at in (last.heartbeat_at, last.dispatched_at) if at is not None]
    agent_lives = any(now - at < AGENT_SILENT for at in signs)
    if agent_lives or await is_session_occupied(db, tenant_id, running.id):
        await record_resumed_room_sid(db, tenant_id, running.id, room_sid, now)
        # the agent may not find the new room: dispatch the next one, which replaces it
        await clear_dispatch(db, tenant_id, running.id)
        return replace(running, room_sid=room_sid)
    await end_session(db, tenant_id, running.id, now)
    return await insert_session(db, tenant_id, room.id, room_sid, now)
