"""Entering a tutor room: admission, then the LiveKit room, then the join token."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from livekit import api

from db import Connection, Pool, tenant_tx
from db import rooms as stored
from db.accounts import Account
from db.restrictions import find_restriction
from db.roles import sees_learners_of
from db.sessions import Session
from protocol import RoomMetadata
from rooms.admission import Admission, enrol_and_place_learner
from rooms.consents import require_consents, select_consents
from rooms.live_room import ensure_room_and_session
from rooms.media import MEDIA_ERRORS, MediaUnavailable
from rooms.metadata import read_learner_metadata, read_room_metadata, token_metadata
from rooms.restrictions import RemovedFromSession
from rooms.room_lock import hold_room
from rooms.tokens import make_join_token
from settings import Settings

logger = logging.getLogger(__name__)

EntryRefusal = Literal["guardian_consent_required", "consent_required", "removed", "ended"]


@dataclass(frozen=True)
class OpenedRoom:
    admission: Admission
    session: Session
    token: str
    metadata: RoomMetadata  # the learner's own
    may_restrict: bool  # the account may remove and mute the room's learners


async def admit_learner(
    settings: Settings,
    pool: Pool,
    account: Account,
    course_key: str,
    module_id: UUID,
    *,
    lesson_id: UUID | None,
    stay: bool,
    private: bool,
    now: datetime,
) -> Admission:
    """`enrol_and_place_learner`, committed at once: the notified agent reads the database."""
    async with tenant_tx(pool, account.tenant_id) as db:
        return await enrol_and_place_learner(
            settings,
            db,
            account,
            course_key,
            module_id,
            lesson_id=lesson_id,
            stay=stay,
            private=private,
            now=now,
        )


async def enter_room(
    settings: Settings,
    lk: api.LiveKitAPI,
    pool: Pool,
    account: Account,
    admission: Admission,
    *,
    now: datetime,
) -> OpenedRoom:
    """Opens the room that the account was admitted to.

    Raises ConsentRequired, GuardianConsentRequired, RemovedFromSession, MediaUnavailable.
    """
    require_consents(admission.missing_consents)
    try:
        async with hold_room(pool, account.tenant_id, admission.room.id):
            return await _open_held_room(settings, lk, pool, account, admission, now)
    except MEDIA_ERRORS as error:
        logger.warning(
            "room not opened",
            extra={"room_id": str(admission.room.id), "kind": type(error).__name__},
        )
        raise MediaUnavailable from error


async def find_entry_refusal(
    settings: Settings, db: Connection, account: Account, session: Session
) -> EntryRefusal | None:
    """Why the account cannot enter the session's room now, or None if it can.

    Blocked accounts are refused at every request.
    """
    missing = (await select_consents(settings, db, account)).missing
    if missing:
        return "guardian_consent_required" if "guardian" in missing else "consent_required"
    if session.status != "active":
        return "ended"
    restriction = await find_restriction(db, account.tenant_id, session.room_id, account.id)
    return "removed" if restriction == "removed" else None


async def _open_held_room(
    settings: Settings,
    lk: api.LiveKitAPI,
    pool: Pool,
    account: Account,
    admission: Admission,
    now: datetime,
) -> OpenedRoom:
    """The caller holds the room. Reads the room again: it may have changed before."""
    tenant_id = account.tenant_id
    async with tenant_tx(pool, tenant_id) as db:
        room = await stored.find_room_by_id(db, tenant_id, admission.room.id) or admission.room
        restriction = await find_restriction(db, tenant_id, room.id, account.id)
        if restriction == "removed":
            raise RemovedFromSession
        learner = await stored.lock_room_learner(db, tenant_id, room.id, account.id)
        own = await read_learner_metadata(
            db, tenant_id, room, account, learner.lesson_id, learner.revision
        )
        text = await read_room_metadata(db, room, account, own)
        may_restrict = await sees_learners_of(db, tenant_id, account, room.course_id)
    own_metadata = token_metadata(own, account)
    session = await ensure_room_and_session(
        settings,
        lk,
        pool,
        account,
        room,
        room_metadata=text,
        own_metadata=own_metadata,
        now=now,
    )
    token = make_join_token(
        settings, account, room.name, own_metadata, may_publish=restriction != "muted"
    )
    return OpenedRoom(admission, session, token, own, may_restrict)
