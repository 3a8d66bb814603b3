"""Attendance by the list of who is in the rooms: the media server drops webhooks."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from livekit import api

from db import RETRYABLE, Pool, tenant_tx
from db.attendance import Connection as Attended
from db.attendance import close_ended, reconcile
from db.sessions import Running, list_running
from db.tenants import list_tenants
from rooms.media import MEDIA_ERRORS, list_learners, list_room_sids

RECONCILE_S = 15.0  # the media server gives an event up after five tries within as long

logger = logging.getLogger(__name__)


async def keep_attendance(lk: api.LiveKitAPI, pool: Pool, clock: Callable[[], datetime]) -> None:
    """Reconciles attendance every 15 s until cancelled: the media server drops webhooks."""
    while True:
        await asyncio.sleep(RECONCILE_S)
        try:
            await reconcile_attendance(lk, pool, clock)
        except (*MEDIA_ERRORS, *RETRYABLE) as error:
            logger.warning("attendance not reconciled", extra={"kind": type(error).__name__})
        except Exception:
            logger.exception("attendance not reconciled")


async def reconcile_attendance(
    lk: api.LiveKitAPI, pool: Pool, clock: Callable[[], datetime]
) -> None:
    """Closes who left running sessions unnoticed, adds who came so.

    Raises the errors of the media server and of the database.
    """
    async with pool.acquire() as db:
        tenants = await list_tenants(db)
    for tenant in tenants:
        async with tenant_tx(pool, tenant.id) as db:
            await close_ended(db, tenant.id)
            running = await list_running(db, tenant.id)
        names = [session.room_name for session in running]
        live = await list_room_sids(lk, names) if names else {}
        for session in running:
            at = clock()
            here = live.get(session.room_name) == session.room_sid
            present = await _list_present(lk, session) if here else []
            async with tenant_tx(pool, tenant.id) as db:
                closed = await reconcile(db, tenant.id, session.session_id, present, at)
            if closed:
                logger.info(
                    "attendance closed",
                    extra={"session_id": str(session.session_id), "count": closed},
                )


async def _list_present(lk: api.LiveKitAPI, session: Running) -> list[Attended]:
    """The people who are in the session's room; nobody where it closed just now."""
    try:
        people = await list_learners(lk, session.room_name)
    except api.ServerError as error:
        if error.code != "not_found":
            raise
        return []
    return [
        Attended(
            sid=one.sid,
            room_sid=session.room_sid,
            identity=one.identity,
            joined_at=datetime.fromtimestamp(one.joined_at_ms / 1000 or one.joined_at, UTC),
        )
        for one in people.values()
        if one.state == api.ParticipantInfo.State.ACTIVE
    ]
