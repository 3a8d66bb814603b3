"""The way into a room: enrolment, room, session, agent and token, made or met."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from livekit import api

from courses.course import Course, Lesson, Module, initial_lesson
from courses.progress import Visit
from db import Connection, NotFound, Pool, tenant_tx
from db import rooms as stored
from db.accounts import Account
from db.attendance import is_occupied
from db.courses import find_course, find_module, list_lessons
from db.enrollments import ensure_enrollment
from db.roles import may
from db.rooms import Room
from db.sessions import (
    Session,
    end_session,
    find_active_session,
    insert_session,
    update_room_sid,
)
from protocol import (
    MAX_ROOM_METADATA_BYTES,
    MAX_TOKEN_METADATA_BYTES,
    RoomMetadata,
    dump_metadata,
    room_name,
)
from rooms.agents import dispatch_first
from rooms.lessons import log_lesson, move_learner
from rooms.media import (
    MEDIA_ERRORS,
    MediaUnavailable,
    create_room,
    list_learners,
    update_participant,
    update_room,
)
from rooms.metadata import learner_metadata, see_lesson
from rooms.tokens import join_token
from settings import Settings

logger = logging.getLogger(__name__)

ROOM_LOST = timedelta(seconds=60)  # from the agent's last sign of life


@dataclass(frozen=True)
class OpenedRoom:
    """A module as its learner enters it, with the room and the token to join it."""

    course: Course
    module: Module
    lessons: Sequence[Lesson]  # in order
    lesson: Lesson | None
    visit: Visit
    room: Room
    session: Session
    metadata: RoomMetadata
    token: str


def name_of(settings: Settings, account: Account, course_id: UUID, module_id: UUID) -> str:
    """The room in which this account meets the tutor on a module."""
    if settings.room_scope == "learner":
        suffix = hashlib.sha256(account.identity.encode()).hexdigest()[:16]
        return room_name(course_id, module_id, suffix)
    return room_name(course_id, module_id)


async def open_room(
    settings: Settings,
    lk: api.LiveKitAPI,
    pool: Pool,
    account: Account,
    course_key: str,
    module_id: UUID,
    *,
    lesson_id: UUID | None,
    stay: bool,
    now: datetime,
) -> OpenedRoom:
    """Enrols, makes or meets the room with its metadata, session and agent, and makes the token.

    Without a `lesson_id`: with `stay` the lesson of the last visit to the room, else the first.
    Raises NotFound, MediaUnavailable.
    """
    async with tenant_tx(pool, account.tenant_id) as db:
        # committed before anything is published: the agent reads the database on the news
        place = await _take_place(
            settings, db, account, course_key, module_id, lesson_id=lesson_id, stay=stay, now=now
        )
    try:
        async with tenant_tx(pool, account.tenant_id) as db:
            await stored.lock_room(db, place.room.name)
            return await _enter(settings, lk, db, account, place, now)
    except MEDIA_ERRORS as error:
        logger.warning(
            "room not opened",
            extra={"room_id": str(place.room.id), "kind": type(error).__name__},
        )
        raise MediaUnavailable from error


@dataclass(frozen=True)
class _Place:
    course: Course
    module: Module
    lessons: Sequence[Lesson]
    lesson: Lesson | None
    visit: Visit
    room: Room


async def _take_place(
    settings: Settings,
    db: Connection,
    account: Account,
    course_key: str,
    module_id: UUID,
    *,
    lesson_id: UUID | None,
    stay: bool,
    now: datetime,
) -> _Place:
    """Everything of an entry that Postgres keeps."""
    tenant_id = account.tenant_id
    course = await find_course(db, tenant_id, course_key)
    if course is None:
        raise NotFound("course")
    unpublished = may(account, "see_unpublished")
    module = await find_module(db, tenant_id, course.id, module_id, unpublished=unpublished)
    if module is None:
        raise NotFound("module")
    lessons = await list_lessons(db, tenant_id, module.id, unpublished=unpublished)
    await ensure_enrollment(db, tenant_id, account.id, course.id)
    name = name_of(settings, account, course.id, module.id)
    await stored.lock_room(db, name)
    room = await stored.ensure_room(
        db, tenant_id, name=name, course_id=course.id, module_id=module.id
    )
    before = await stored.find_room_learner(db, tenant_id, room.id, account.id)
    last_id = before.lesson_id if before and stay else None
    lesson = initial_lesson(lessons, lesson_id or last_id)
    chosen_id = lesson.id if lesson else None
    learner = await stored.ensure_room_learner(db, tenant_id, room.id, account.id, chosen_id)
    if lesson and learner.lesson_id != lesson.id:
        await move_learner(db, tenant_id, learner, lesson.id, now)
    seen = await see_lesson(db, tenant_id, account, course.id, lesson)
    return _Place(course, module, lessons, lesson, seen, room)


async def _enter(
    settings: Settings,
    lk: api.LiveKitAPI,
    db: Connection,
    account: Account,
    place: _Place,
    now: datetime,
) -> OpenedRoom:
    """Everything of an entry that LiveKit keeps; the caller holds the room's lock."""
    tenant_id = account.tenant_id
    room = await stored.find_room_by_id(db, tenant_id, place.room.id) or place.room
    learner = await stored.lock_learner(db, tenant_id, room.id, account.id)
    metadata = await learner_metadata(
        db, tenant_id, room, account, learner.lesson_id, learner.revision
    )
    try:
        session = await _settle(settings, lk, db, account, room, metadata, now)
    except (api.ServerError, NotFound) as error:
        if isinstance(error, api.ServerError) and error.code != "not_found":
            raise
        # the room closed, or its agent ended the session, between two calls: made anew, once
        session = await _settle(settings, lk, db, account, room, metadata, now)
    await log_lesson(db, tenant_id, session.id, learner, now)
    token = join_token(settings, account, room.name, metadata)
    return OpenedRoom(
        course=place.course,
        module=place.module,
        lessons=place.lessons,
        lesson=place.lesson,
        visit=place.visit,
        room=room,
        session=session,
        metadata=metadata,
        token=token,
    )


async def _settle(
    settings: Settings,
    lk: api.LiveKitAPI,
    db: Connection,
    account: Account,
    room: Room,
    metadata: RoomMetadata,
    now: datetime,
) -> Session:
    """Room, session, metadata and agent as they must be when this account joins."""
    tenant_id = account.tenant_id
    text = dump_metadata(metadata, MAX_ROOM_METADATA_BYTES)
    live = await create_room(lk, settings, room.name, text)
    before = await find_active_session(db, tenant_id, room.id)
    made = before is None or before.room_sid != live.sid
    present = {} if made else await list_learners(lk, room.name)
    others = present.keys() - {account.identity}
    if not others or room.opener_account_id == account.id:
        await stored.update_opener(db, tenant_id, room.id, account.id)
        if live.metadata != text:
            await update_room(lk, room.name, text)
    elif account.identity in present:
        own = dump_metadata(metadata, MAX_TOKEN_METADATA_BYTES)
        if present[account.identity].metadata != own:
            await update_participant(lk, room.name, account.identity, own)
    session = await _session_of(db, tenant_id, room, live.sid, before, now)
    await dispatch_first(settings, lk, db, room, session, now)
    return session


async def _session_of(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    room_sid: str,
    session: Session | None,
    now: datetime,
) -> Session:
    """The session of a living room: the running one, or a new one after an earlier room ended.

    A room that people were in, or an agent just now, did not end: it was lost with its server.
    """
    if session is None:
        return await insert_session(db, tenant_id, room.id, room_sid, now)
    if session.room_sid == room_sid:
        return session
    seen = [at for at in (session.agent_beat_at, session.agent_dispatched_at) if at is not None]
    recent = any(now - at < ROOM_LOST for at in seen)
    if recent or await is_occupied(db, tenant_id, session.id):
        await update_room_sid(db, tenant_id, session.id, room_sid, now)
        # its agent may not find the new room, and an older epoch that does is silenced
        return replace(session, room_sid=room_sid, agent_dispatched_at=None)
    await end_session(db, tenant_id, session.id, now)
    return await insert_session(db, tenant_id, room.id, room_sid, now)
