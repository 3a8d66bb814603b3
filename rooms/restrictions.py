"""Removing and muting people in a running session, and letting them back.

A restriction holds until the session ends. The database decides; join tokens of before stay valid,
so the watcher enforces it again if somebody comes back with one.
"""

import logging
from datetime import datetime

from livekit import api

from db import Conflict, Forbidden, NotFound, Pool, tenant_tx
from db.accounts import Account, find_account, list_ids_by_identity
from db.restrictions import (
    RestrictedPresent,
    RestrictionKind,
    delete_restriction,
    list_restricted_present,
    upsert_restriction,
)
from db.roles import has_permission
from db.rooms import find_room_by_id, find_room_learner
from db.sessions import Session
from rooms.everyone_present import act_on_everyone_present
from rooms.media import MEDIA_ERRORS, MediaUnavailable, remove_participant, set_publishing

logger = logging.getLogger(__name__)


class RemovedFromSession(Exception):
    pass


async def change_restriction(
    lk: api.LiveKitAPI,
    pool: Pool,
    session: Session,
    identity: str,
    kind: RestrictionKind | None,
    *,
    by: Account,
    now: datetime,
) -> None:
    """Removes a learner, mutes them, or (None) lets them back. Stored first, then enforced.

    Raises NotFound for somebody who never entered the room, Forbidden for a member of the staff,
    Conflict if the session has ended, MediaUnavailable. After that, the watcher enforces it.
    """
    if session.status != "active":
        raise Conflict("The session has ended. Only a running session has restrictions.")
    tenant_id = session.tenant_id
    async with tenant_tx(pool, tenant_id) as db:
        room = await find_room_by_id(db, tenant_id, session.room_id)
        ids = await list_ids_by_identity(db, tenant_id, {identity})
        learner = await find_account(db, tenant_id, ids[identity]) if identity in ids else None
        if room is None or learner is None:
            raise NotFound("participant")
        if await find_room_learner(db, tenant_id, room.id, learner.id) is None:
            raise NotFound("participant")
        if has_permission(learner, "teach"):
            raise Forbidden("Teachers and admins cannot be removed or muted.")
        if kind is None:
            await delete_restriction(db, tenant_id, session.id, learner, by=by, now=now)
        else:
            await upsert_restriction(db, tenant_id, session.id, learner, kind, by=by, now=now)
    logger.info(
        "restriction changed", extra={"session_id": str(session.id), "kind": kind or "lifted"}
    )
    try:
        await _enforce_restriction(lk, room.name, identity, kind)
    except MEDIA_ERRORS as error:
        raise MediaUnavailable from error


async def _enforce_restriction(
    lk: api.LiveKitAPI, room_name: str, identity: str, kind: RestrictionKind | None
) -> None:
    if kind == "removed":
        await remove_participant(lk, room_name, identity)
    else:
        await set_publishing(lk, room_name, identity, allowed=kind is None)


async def enforce_restrictions(lk: api.LiveKitAPI, pool: Pool) -> None:
    """Enforces the restrictions of everybody present.

    Raises the errors of the media server and the database.
    """

    async def enforce(one: RestrictedPresent) -> None:
        await _enforce_restriction(lk, one.room_name, one.identity, one.kind)

    await act_on_everyone_present(pool, list_restricted_present, enforce)
