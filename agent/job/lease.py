"""An agent's lease on its session: found by its dispatch, renewed by heartbeats, then ended."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import db
import protocol
from agent.room.dispatch import Dispatch
from db.event_kinds import AgentLeft
from db.events import append_event
from db.leases import end_leased_session, select_dispatch, update_heartbeat
from db.rooms import find_room_by_id
from db.sessions import find_session

START_TRIES, START_PAUSE_S = 80, 0.25  # 20 s, if the database is away when a job starts

logger = logging.getLogger("bodh.agent")


async def load_dispatch(pool: db.Pool, dispatch: protocol.DispatchMetadata) -> Dispatch:
    """Loads the rows of a dispatch, which may be committed a moment after it was sent.

    Raises NotFound, or db.AWAY after 20 s.
    """
    tenant_id = dispatch.tenant_id
    for tries_left in reversed(range(START_TRIES)):
        try:
            async with db.tenant_tx(pool, tenant_id) as conn:
                room = await find_room_by_id(conn, tenant_id, dispatch.room_id)
                session = await find_session(conn, tenant_id, dispatch.session_id)
                last = await select_dispatch(conn, tenant_id, dispatch.session_id)
            if room and session and last.epoch >= dispatch.epoch:
                return Dispatch(tenant_id, room, session, dispatch.epoch)
        except db.NotFound:
            pass
        except db.AWAY:
            if not tries_left:
                raise
        await asyncio.sleep(START_PAUSE_S)
    raise db.NotFound("the room or session of this dispatch")


class Lease:
    def __init__(self, pool: db.Pool, dispatch: Dispatch, heartbeat_every: timedelta) -> None:
        self._pool = pool
        self._dispatch = dispatch
        self._heartbeat_every_s = heartbeat_every.total_seconds()

    async def renew_until_lost(self) -> None:
        while await self.send_heartbeat_if_serving():  # noqa: ASYNC110 another process decides it
            await asyncio.sleep(self._heartbeat_every_s)

    async def send_heartbeat_if_serving(self) -> bool:
        """Returns whether this agent serves the session; True also if the database is away."""
        dispatch, now = self._dispatch, datetime.now(UTC)
        try:
            async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
                return await update_heartbeat(
                    conn, dispatch.tenant_id, dispatch.session.id, dispatch.epoch, now
                )
        except Exception as error:  # noqa: BLE001 no error may end the conversation
            logger.warning("no heartbeat", extra={"why": type(error).__name__})
            return True

    async def append_agent_left(self) -> None:
        dispatch, now = self._dispatch, datetime.now(UTC)
        left = AgentLeft(epoch=dispatch.epoch)
        try:
            async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
                await append_event(
                    conn,
                    dispatch.tenant_id,
                    dispatch.session.id,
                    left,
                    now,
                    key=f"gone:{dispatch.epoch}",
                )
        except db.AWAY:
            logger.warning("agent.left was not logged: the database is away")

    async def end_session(self) -> None:
        dispatch, now = self._dispatch, datetime.now(UTC)
        try:
            async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
                await end_leased_session(
                    conn, dispatch.tenant_id, dispatch.session.id, dispatch.epoch, now
                )
        except db.AWAY:
            logger.warning("the session was not ended: the database is away")
