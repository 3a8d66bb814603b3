"""Keeps blocked accounts out of rooms: their join tokens stay valid for up to TOKEN_TTL."""

import logging

from livekit import api

from db import Pool
from db.attendance import Present, list_blocked_present
from rooms.everyone_present import act_on_everyone_present
from rooms.media import remove_participant

logger = logging.getLogger(__name__)


async def remove_blocked_people(lk: api.LiveKitAPI, pool: Pool) -> None:
    """Removes blocked accounts from running rooms.

    Raises the errors of the media server and the database.
    """

    async def remove(one: Present) -> None:
        await remove_participant(lk, one.room_name, one.identity)
        logger.warning("blocked account removed", extra={"session_id": str(one.session_id)})

    await act_on_everyone_present(pool, list_blocked_present, remove)
