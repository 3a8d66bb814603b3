"""Lesson changes: stored in the database first, then published in the room's metadata."""

import logging
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from livekit import api

from db import Connection, Forbidden, NotFound, Pool, tenant_tx
from db import rooms as stored
from db.accounts import Account, list_identities_by_id
from db.courses import find_lesson
from db.event_kinds import LessonChanged
from db.events import append_event
from db.roles import may_see_lesson
from db.rooms import Room, RoomLearner
from db.sessions import find_active_session
from rooms.media import MEDIA_ERRORS, update_participant_metadata, update_room_metadata
from rooms.metadata import read_learner_metadata, read_room_metadata, token_metadata
from rooms.room_lock import hold_room

logger = logging.getLogger(__name__)


async def change_lesson(
    lk: api.LiveKitAPI, pool: Pool, room: Room, account: Account, lesson_id: UUID, *, now: datetime
) -> int:
    """Moves a learner to another lesson of the room's module and returns the new revision.

    Stores and commits the change, then publishes it. Publishes nothing if the learner is already on
    that lesson. Raises what `store_lesson_change` raises, but no media server errors.
    """
    async with tenant_tx(pool, room.tenant_id) as db:
        revision, changed = await store_lesson_change(db, room, account, lesson_id, now=now)
    if changed:
        await publish_lesson(lk, pool, room, account)
    return revision


async def store_lesson_change(
    db: Connection, room: Room, account: Account, lesson_id: UUID, *, now: datetime
) -> tuple[int, bool]:
    """Stores a lesson change. Returns the revision and whether the lesson changed.

    Raises Forbidden if the account is not in the room, NotFound if it may not open the lesson.
    """
    try:
        learner = await stored.lock_room_learner(db, room.tenant_id, room.id, account.id)
    except NotFound as error:
        raise Forbidden("You are not in this room") from error
    lesson = await find_lesson(db, room.tenant_id, lesson_id)
    if lesson is None or lesson.module_id != room.module_id or not may_see_lesson(account, lesson):
        raise NotFound("This module has no such lesson")
    if learner.lesson_id == lesson_id:
        return learner.revision, False
    moved = await update_lesson_and_append_event(db, room.tenant_id, learner, lesson_id, now)
    return moved.revision, True


async def adopt_lesson(
    db: Connection,
    room: Room,
    account_id: UUID,
    lesson_id: UUID,
    *,
    revision: int,
    now: datetime,
) -> RoomLearner | None:
    """Stores a change that another program published in the metadata, and returns the learner.

    Returns None and changes nothing for an older revision, or for a lesson that is not published
    in the room's module.
    """
    learner = await stored.adopt_lesson(
        db, room.tenant_id, room.id, account_id, lesson_id=lesson_id, revision=revision
    )
    session = await find_active_session(db, room.tenant_id, room.id)
    if learner is not None and session is not None:
        await append_lesson_event(db, room.tenant_id, session.id, learner, now)
    return learner


async def update_lesson_and_append_event(
    db: Connection, tenant_id: UUID, learner: RoomLearner, lesson_id: UUID, now: datetime
) -> RoomLearner:
    revision = await stored.update_learner_lesson(
        db, tenant_id, learner.room_id, learner.account_id, lesson_id
    )
    moved = replace(learner, lesson_id=lesson_id, revision=revision)
    session = await find_active_session(db, tenant_id, learner.room_id)
    if session is not None:
        await append_lesson_event(db, tenant_id, session.id, moved, now)
    return moved


async def append_lesson_event(
    db: Connection, tenant_id: UUID, session_id: UUID, learner: RoomLearner, now: datetime
) -> None:
    if learner.lesson_id is None:
        return
    identities = await list_identities_by_id(db, tenant_id, [learner.account_id])
    identity = identities[learner.account_id]
    event = LessonChanged(identity=identity, lesson_id=learner.lesson_id, revision=learner.revision)
    key = f"lesson:{identity}:{learner.revision}"
    await append_event(db, tenant_id, session_id, event, now, key=key)


async def publish_lesson(lk: api.LiveKitAPI, pool: Pool, room: Room, account: Account) -> None:
    """Publishes a learner's lesson in the metadata of the running room.

    Call it after the commit. If the media server fails, logs it and returns: agents read the
    database themselves every few seconds.
    """
    facts = {"room_id": str(room.id)}
    try:
        async with hold_room(pool, room.tenant_id, room.id):
            learner = await _publish_metadata(lk, pool, room, account)
    except (*MEDIA_ERRORS, NotFound) as error:
        logger.warning("lesson not published", extra={**facts, "kind": type(error).__name__})
        return
    if learner is not None:
        changed = {"lesson_id": str(learner.lesson_id), "revision": learner.revision}
        logger.info("lesson published", extra={**facts, **changed})


async def _publish_metadata(
    lk: api.LiveKitAPI, pool: Pool, room: Room, account: Account
) -> RoomLearner | None:
    """The room's metadata is the opener's; everyone else has participant metadata.

    The caller holds the room. Returns the learner as published, or None without a lesson.
    """
    tenant_id = room.tenant_id
    async with tenant_tx(pool, tenant_id) as db:
        room = await stored.find_room_by_id(db, tenant_id, room.id) or room
        learner = await stored.find_room_learner(db, tenant_id, room.id, account.id)
        if learner is None or learner.lesson_id is None:
            return None
        own = await read_learner_metadata(
            db, tenant_id, room, account, learner.lesson_id, learner.revision
        )
        opens = room.opener_account_id == account.id
        text = await read_room_metadata(db, room, account, own) if opens else ""
    if opens:
        await update_room_metadata(lk, room.name, text)
    else:
        await update_participant_metadata(
            lk, room.name, account.identity, token_metadata(own, account)
        )
    return learner
