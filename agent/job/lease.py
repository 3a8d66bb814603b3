"""An agent's lease of its session, from the dispatch to what the database is told at its end."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import db
import protocol
from agent.room.dispatch import Dispatch
from db.event_kinds import AgentLeft
from db.events import append_event
from db.leases import end_leased_session, heartbeat, select_dispatch
from db.rooms import find_room_by_id
from db.sessions import find_session

START_TRIES, START_PAUSE_S = 80, 0.25  # 20 s for a database that is away when a job starts

logger = logging.getLogger("bodh.agent")


async def find_dispatched(pool: db.Pool, dispatch: protocol.DispatchMetadata) -> Dispatch:
    """The rows behind a dispatch; its transaction may commit a moment after it was sent.

    Raises NotFound, or what a database raises that stays away for 20 s.
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
    """What tells the database, and asks it, whether this agent serves its session."""

    def __init__(self, pool: db.Pool, place: Dispatch, heartbeat_every: timedelta) -> None:
        self._pool = pool
        self._place = place
        self._heartbeat_every_s = heartbeat_every.total_seconds()

    async def hold(self) -> None:
        """Beats until a newer agent holds it, or the session has ended."""
        while await self.renew():  # noqa: ASYNC110 another process decides it
            await asyncio.sleep(self._heartbeat_every_s)

    async def renew(self) -> bool:
        """Tells the database that this agent lives; False where it is no longer the session's.

        While the database is away it stays what it was: it speaks on.
        """
        place, now = self._place, datetime.now(UTC)
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                return await heartbeat(conn, place.tenant_id, place.session.id, place.epoch, now)
        except Exception as error:  # noqa: BLE001 whatever it is, the lesson goes on
            logger.warning("no heartbeat", extra={"why": type(error).__name__})
            return True

    async def log_left(self) -> None:
        """The event log tells this agent, which went on purpose, from one that was lost."""
        place, now = self._place, datetime.now(UTC)
        left = AgentLeft(epoch=place.epoch)
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await append_event(
                    conn, place.tenant_id, place.session.id, left, now, key=f"gone:{place.epoch}"
                )
        except db.AWAY:
            logger.warning("agent.left was not logged: the database does not answer")

    async def end_session(self) -> None:
        """Ends the session, unless a newer agent serves it by now."""
        place, now = self._place, datetime.now(UTC)
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await end_leased_session(conn, place.tenant_id, place.session.id, place.epoch, now)
        except db.AWAY:
            logger.warning("the session was not ended: the database does not answer")
