"""The rule of a lesson change: the database decides, the room's metadata follows."""

import logging
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from livekit import api

from db import Connection, Forbidden, NotFound, Pool, tenant_tx
from db import rooms as stored
from db.accounts import Account
from db.courses import find_lesson
from db.event_kinds import LessonChanged
from db.events import append_event
from db.roles import may_see_lesson
from db.rooms import Room, RoomLearner
from db.sessions import find_active_session
from protocol import MAX_ROOM_METADATA_BYTES, MAX_TOKEN_METADATA_BYTES, dump_metadata
from rooms.media import MEDIA_ERRORS, update_participant, update_room
from rooms.metadata import learner_metadata

logger = logging.getLogger(__name__)


async def change_lesson(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    account: Account,
    lesson_id: UUID,
    *,
    now: datetime,
) -> tuple[int, bool]:
    """Moves a learner to another lesson of the room's module: (revision, whether it changed).

    Raises Forbidden for an account that is not of the room, NotFound for a lesson it cannot take.
    Publish after the commit: the agent reads the database when it hears of the change.
    """
    learner = await stored.find_room_learner(db, tenant_id, room.id, account.id)
    if learner is None:
        raise Forbidden("You are not in this room")
    lesson = await find_lesson(db, tenant_id, lesson_id)
    if lesson is None or lesson.module_id != room.module_id or not may_see_lesson(account, lesson):
        raise NotFound("This module has no such lesson")
    moved = await move_learner(db, tenant_id, learner, lesson_id, now)
    return moved.revision, moved.revision != learner.revision


async def adopt_lesson(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    account_id: UUID,
    lesson_id: UUID,
    *,
    revision: int,
    now: datetime,
) -> None:
    """Takes over a change that another program published in the metadata.

    Older news, and a lesson that is not published in the room's module, change nothing.
    """
    learner = await stored.adopt_lesson(
        db, tenant_id, room.id, account_id, lesson_id=lesson_id, revision=revision
    )
    session = await find_active_session(db, tenant_id, room.id)
    if learner is not None and session is not None:
        await log_lesson(db, tenant_id, session.id, learner, now)


async def move_learner(
    db: Connection, tenant_id: UUID, learner: RoomLearner, lesson_id: UUID, now: datetime
) -> RoomLearner:
    """The learner on that lesson, logged in the room's session if one runs."""
    revision = await stored.update_lesson(
        db, tenant_id, learner.room_id, learner.account_id, lesson_id
    )
    moved = replace(learner, lesson_id=lesson_id, revision=revision)
    session = await find_active_session(db, tenant_id, learner.room_id)
    if session is not None:
        await log_lesson(db, tenant_id, session.id, moved, now)
    return moved


async def log_lesson(
    db: Connection, tenant_id: UUID, session_id: UUID, learner: RoomLearner, now: datetime
) -> None:
    """The lesson a learner is on, once in a session for each change."""
    if learner.lesson_id is None:
        return
    event = LessonChanged(
        account_id=learner.account_id, lesson_id=learner.lesson_id, revision=learner.revision
    )
    key = f"lesson:{learner.account_id}:{learner.revision}"
    await append_event(db, tenant_id, session_id, event, now, key=key)


async def publish_lesson(
    lk: api.LiveKitAPI,
    db: Connection,
    tenant_id: UUID,
    room: Room,
    account: Account,
    lesson_id: UUID,
    revision: int,
) -> bool:
    """Brings a learner's metadata in the live room up to the database; False where it could not.

    Call it in a transaction of its own, after the change was committed. A newer change of the
    same learner is published in place of the one asked for. Never raises over the media server.
    """
    await stored.lock_room(db, room.name)
    room = await stored.find_room_by_id(db, tenant_id, room.id) or room
    learner = await stored.find_room_learner(db, tenant_id, room.id, account.id)
    if learner is not None and learner.lesson_id and learner.revision > revision:
        lesson_id, revision = learner.lesson_id, learner.revision
    facts = {"room_id": str(room.id), "lesson_id": str(lesson_id), "revision": revision}
    try:
        metadata = await learner_metadata(db, tenant_id, room, account, lesson_id, revision)
        if room.opener_account_id == account.id:
            await update_room(lk, room.name, dump_metadata(metadata, MAX_ROOM_METADATA_BYTES))
        else:
            text = dump_metadata(metadata, MAX_TOKEN_METADATA_BYTES)
            await update_participant(lk, room.name, account.identity, text)
    except (*MEDIA_ERRORS, NotFound) as error:
        logger.warning("lesson not published", extra={**facts, "kind": type(error).__name__})
        return False
    logger.info("lesson published", extra=facts)
    return True


async def publish_choices(lk: api.LiveKitAPI, pool: Pool, account: Account) -> None:
    """Tells the agents of the account's running rooms what it chose, in its metadata there.

    Call it after the choice was committed. Never raises over the media server: the agent of a room
    that was not told reads the choice at the next join.
    """
    tenant_id = account.tenant_id
    async with tenant_tx(pool, tenant_id) as db:
        places = await stored.list_running_rooms(db, tenant_id, account.id)
    for room in places:
        async with tenant_tx(pool, tenant_id) as db:
            learner = await stored.find_room_learner(db, tenant_id, room.id, account.id)
            if learner is not None and learner.lesson_id is not None:
                await publish_lesson(
                    lk, db, tenant_id, room, account, learner.lesson_id, learner.revision
                )
