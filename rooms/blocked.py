"""Keeps blocked accounts out of rooms: their join tokens stay valid for up to TOKEN_TTL."""

import logging

from livekit import api

from db import Pool, acquire, tenant_tx
from db.attendance import list_blocked_present
from db.tenants import list_tenants
from rooms.media import remove_participant

logger = logging.getLogger(__name__)


async def remove_blocked(lk: api.LiveKitAPI, pool: Pool) -> None:
    """Removes blocked accounts from running rooms.

    Raises the errors of the media server and the database.
    """
    async with acquire(pool) as db:
        tenants = await list_tenants(db)
    for tenant in tenants:
        async with tenant_tx(pool, tenant.id) as db:
            present = await list_blocked_present(db, tenant.id)
        for one in present:
            await remove_participant(lk, one.room_name, one.identity)
            logger.warning("blocked account removed", extra={"session_id": str(one.session_id)})
