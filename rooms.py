"""LiveKit's server API. Owns room, metadata, join token, dispatch, and the rule of a lesson change.

One writer per room at a time: whatever reads and then writes a room holds `lock_room`, because
the media server merges concurrent metadata updates and the winner is not the last one issued.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import aiohttp
from livekit import api

from db import RETRYABLE, Connection, Forbidden, NotFound, Pool, tenant_tx
from db import rooms as stored
from db.account_settings import select_settings
from db.accounts import Account
from db.attendance import Connection as Attended
from db.attendance import close_ended, reconcile
from db.courses import (
    Course,
    Lesson,
    Module,
    find_course,
    find_lesson,
    find_module,
    initial_lesson,
    list_lessons,
)
from db.enrollments import ensure_enrollment
from db.event_kinds import LessonChanged
from db.events import append_event
from db.progress import Visit, select_visit_facts, visit
from db.rooms import Room, RoomLearner
from db.sessions import (
    Running,
    Session,
    end_session,
    find_active_session,
    insert_session,
    list_running,
    update_epoch,
    update_room_sid,
)
from db.tenants import list_tenants
from protocol import (
    MAX_ROOM_METADATA_BYTES,
    MAX_TOKEN_METADATA_BYTES,
    DispatchMetadata,
    RoomMetadata,
    agent_identity,
    dump,
    dump_metadata,
    room_name,
)
from settings import Settings

logger = logging.getLogger(__name__)

BEAT_FRESH = timedelta(seconds=2.5)  # five missed beats: the agent job is gone
DISPATCH_YOUNG = timedelta(seconds=8)  # from a dispatch to the first beat, with room to spare
ROOM_LOST = timedelta(seconds=60)  # an agent seen within this: its room was lost, not left
RECONCILE_S = 15.0  # the media server gives an event up after five tries within as long
TIMEOUT_S = 3.0
PAUSES_S = (0.1, 0.3)  # between the tries of an idempotent call

_T = TypeVar("_T")
_MEDIA_ERRORS = (api.ServerError, aiohttp.ClientError, TimeoutError)


class MediaUnavailable(Exception):
    """The media server does not answer, or refuses our key."""


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


def connect(settings: Settings) -> api.LiveKitAPI:
    """The client of the media server. Needs a running loop; the caller closes it."""
    return api.LiveKitAPI(
        settings.livekit_internal_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        failover=False,
    )


def join_token(settings: Settings, account: Account, room_name: str, metadata: RoomMetadata) -> str:
    """The only maker of join tokens: exactly these grants, never the right to make a room."""
    grants = api.VideoGrants(
        room_join=True, room=room_name, can_publish=True, can_subscribe=True, can_publish_data=True
    )
    token = api.AccessToken(
        settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    )
    return (
        token.with_identity(account.identity)
        .with_name(account.name)
        .with_ttl(settings.token_ttl)
        .with_grants(grants)
        .with_metadata(dump_metadata(metadata, MAX_TOKEN_METADATA_BYTES))
        .to_jwt()
    )


def name_of(settings: Settings, account: Account, course_id: UUID, module_id: UUID) -> str:
    """The room in which this account meets the tutor on a module."""
    if settings.room_scope == "learner":
        suffix = hashlib.sha256(account.identity.encode()).hexdigest()[:16]
        return room_name(course_id, module_id, suffix)
    return room_name(course_id, module_id)


def sees(account: Account, lesson: Lesson) -> bool:
    """Learners see published lessons, staff all of them (K24)."""
    return lesson.is_published or account.role != "learner"


async def learner_metadata(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    account: Account,
    lesson_id: UUID | None,
    revision: int,
) -> RoomMetadata:
    """Every key of the metadata as this account should have them, from the database. NotFound."""
    if room.course_id is None or room.module_id is None:
        raise NotFound("the room is not a module's")
    course = await find_course(db, tenant_id, str(room.course_id))
    module = await find_module(
        db, tenant_id, room.course_id, room.module_id, unpublished=account.role != "learner"
    )
    if course is None or module is None:
        raise NotFound("the module of the room")
    lesson = await find_lesson(db, tenant_id, lesson_id) if lesson_id else None
    seen = await see_lesson(db, tenant_id, account, course.id, lesson)
    chosen = await select_settings(db, tenant_id, account.id)
    metadata = _metadata(course, module, lesson, seen, account, revision)
    return metadata.model_copy(update={"store_words": chosen.store_words})


async def see_lesson(
    db: Connection, tenant_id: UUID, account: Account, course_id: UUID, lesson: Lesson | None
) -> Visit:
    """The session type with all that belongs to it (A08)."""
    lesson_id = lesson.id if lesson else None
    return visit(await select_visit_facts(db, tenant_id, account.id, course_id, lesson_id))


def _metadata(
    course: Course,
    module: Module,
    lesson: Lesson | None,
    seen: Visit,
    account: Account,
    revision: int,
) -> RoomMetadata:
    youtube = lesson.youtube_video_id if lesson else None
    return RoomMetadata.model_validate(
        {
            "courseId": str(course.id),
            "courseTitle": course.title,
            "moduleId": str(module.id),
            "moduleTitle": module.title,
            "lessonId": str(lesson.id) if lesson else None,
            "lessonTitle": lesson.title if lesson else None,
            "lessonNumber": seen.lesson_number,
            "videoIds": [lesson.kpoint_video_id] if lesson and lesson.kpoint_video_id else [],
            "learningObjectives": list(course.learning_objectives),
            "userId": str(account.id),
            "userName": account.name,
            "sessionType": seen.session_type,
            "isFirstCourseVisit": seen.is_first_course_visit,
            "isIntroLesson": seen.is_intro_lesson,
            "prevLessonTitle": seen.prev_lesson_title,
            "revision": revision,
        }
        | ({"youtubeVideoId": youtube} if youtube else {})
    )


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
    if lesson is None or lesson.module_id != room.module_id or not sees(account, lesson):
        raise NotFound("This module has no such lesson")
    moved = await _move(db, tenant_id, learner, lesson_id, now)
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
        await _log_lesson(db, tenant_id, session.id, learner, now)


async def _move(
    db: Connection, tenant_id: UUID, learner: RoomLearner, lesson_id: UUID, now: datetime
) -> RoomLearner:
    """The learner on that lesson, logged in the room's session if one runs."""
    revision = await stored.update_lesson(
        db, tenant_id, learner.room_id, learner.account_id, lesson_id
    )
    moved = replace(learner, lesson_id=lesson_id, revision=revision)
    session = await find_active_session(db, tenant_id, learner.room_id)
    if session is not None:
        await _log_lesson(db, tenant_id, session.id, moved, now)
    return moved


async def _log_lesson(
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
            await _update_room(lk, room.name, dump_metadata(metadata, MAX_ROOM_METADATA_BYTES))
        else:
            text = dump_metadata(metadata, MAX_TOKEN_METADATA_BYTES)
            await _update_participant(lk, room.name, account.identity, text)
    except (*_MEDIA_ERRORS, NotFound) as error:
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
    except _MEDIA_ERRORS as error:
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
    staff = account.role != "learner"
    module = await find_module(db, tenant_id, course.id, module_id, unpublished=staff)
    if module is None:
        raise NotFound("module")
    lessons = await list_lessons(db, tenant_id, module.id, unpublished=staff)
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
        await _move(db, tenant_id, learner, lesson.id, now)
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
    await _log_lesson(db, tenant_id, session.id, learner, now)
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
    live = await _create_room(lk, settings, room.name, text)
    before = await find_active_session(db, tenant_id, room.id)
    made = before is None or before.room_sid != live.sid
    present = {} if made else await _list_learners(lk, room.name)
    others = present.keys() - {account.identity}
    if not others or room.opener_account_id == account.id:
        await stored.update_opener(db, tenant_id, room.id, account.id)
        if live.metadata != text:
            await _update_room(lk, room.name, text)
    elif account.identity in present:
        own = dump_metadata(metadata, MAX_TOKEN_METADATA_BYTES)
        if present[account.identity].metadata != own:
            await _update_participant(lk, room.name, account.identity, own)
    session = await _session_of(db, tenant_id, room, live.sid, before, now)
    await ensure_agent(settings, lk, db, tenant_id, room, session, now)
    return session


async def _session_of(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    room_sid: str,
    session: Session | None,
    now: datetime,
) -> Session:
    """The session of a living room: the running one, or a new one after an earlier room ended."""
    if session is None:
        return await insert_session(db, tenant_id, room.id, room_sid, now)
    if session.room_sid == room_sid:
        return session
    if _younger(session.agent_beat_at, ROOM_LOST, now) or _younger(
        session.agent_dispatched_at, ROOM_LOST, now
    ):
        await update_room_sid(db, tenant_id, session.id, room_sid, now)
        # its agent may not find the new room, and an older epoch that does is silenced
        return replace(session, room_sid=room_sid, agent_beat_at=None, agent_dispatched_at=None)
    await end_session(db, tenant_id, session.id, now)
    return await insert_session(db, tenant_id, room.id, room_sid, now)


async def ensure_agent(
    settings: Settings,
    lk: api.LiveKitAPI,
    db: Connection,
    tenant_id: UUID,
    room: Room,
    session: Session,
    now: datetime,
) -> None:
    """One agent in the room: dispatches the next epoch unless the current one lives or comes.

    Only our own beat is believed: the media server lists dead agents as present and dispatches
    that no worker took as open. The caller holds the room's lock. Raises the media server's errors.
    """
    coming = session.agent_beat_at is None and _younger(
        session.agent_dispatched_at, DISPATCH_YOUNG, now
    )
    if coming or _younger(session.agent_beat_at, BEAT_FRESH, now):
        return
    if session.agent_epoch:
        await _remove_participant(lk, room.name, agent_identity(session.id, session.agent_epoch))
    epoch = await update_epoch(db, tenant_id, session.id, now)
    metadata = DispatchMetadata(
        tenant_id=tenant_id, room_id=room.id, session_id=session.id, epoch=epoch
    )
    # not repeated on failure: two dispatches are two agents
    await lk.agent_dispatch.create_dispatch(
        api.CreateAgentDispatchRequest(
            agent_name=settings.agent_name, room=room.name, metadata=dump(metadata)
        )
    )
    logger.info(
        "agent dispatched",
        extra={"room_id": str(room.id), "session_id": str(session.id), "epoch": epoch},
    )


async def recheck_agent(
    settings: Settings,
    lk: api.LiveKitAPI,
    pool: Pool,
    tenant_id: UUID,
    room_id: UUID,
    now: datetime,
) -> bool:
    """Asks for an agent again where learners wait without one: no worker took the last dispatch.

    True where no further look is needed: the agent lives, or nobody waits. Raises MediaUnavailable.
    """
    async with tenant_tx(pool, tenant_id) as db:
        room = await stored.find_room_by_id(db, tenant_id, room_id)
        if room is None:
            return True
        await stored.lock_room(db, room.name)
        session = await find_active_session(db, tenant_id, room_id)
        if session is None or _younger(session.agent_beat_at, BEAT_FRESH, now):
            return True
        try:
            if not await _list_learners(lk, room.name):
                return True
            await ensure_agent(settings, lk, db, tenant_id, room, session, now)
        except _MEDIA_ERRORS as error:
            if isinstance(error, api.ServerError) and error.code == "not_found":
                return True
            raise MediaUnavailable from error
    return False


async def keep_attendance(lk: api.LiveKitAPI, pool: Pool, clock: Callable[[], datetime]) -> None:
    """Reconciles attendance every 15 s until cancelled: the media server drops webhooks."""
    while True:
        await asyncio.sleep(RECONCILE_S)
        try:
            await reconcile_attendance(lk, pool, clock)
        except (*_MEDIA_ERRORS, *RETRYABLE) as error:
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
        live = await _list_room_sids(lk, names) if names else {}
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


async def check_media(lk: api.LiveKitAPI) -> None:
    """Asks the media server for a room that is not there. Raises MediaUnavailable."""
    try:
        await lk.room.list_rooms(api.ListRoomsRequest(names=["-"]))
    except _MEDIA_ERRORS as error:
        raise MediaUnavailable from error


async def close_room(lk: api.LiveKitAPI, name: str) -> None:
    """Ends a room for everybody in it; one that is gone already is fine."""
    try:
        await _repeat(lambda: lk.room.delete_room(api.DeleteRoomRequest(room=name)))
    except api.ServerError as error:
        if error.code != "not_found":
            raise


def _younger(at: datetime | None, limit: timedelta, now: datetime) -> bool:
    return at is not None and now - at < limit


async def _create_room(
    lk: api.LiveKitAPI, settings: Settings, name: str, metadata: str
) -> api.Room:
    """Makes the room, or answers the living one as it is: nothing is applied to that."""
    return await _repeat(
        lambda: lk.room.create_room(
            api.CreateRoomRequest(
                name=name,
                metadata=metadata,
                empty_timeout=int(settings.empty_timeout.total_seconds()),
                departure_timeout=int(settings.departure_timeout.total_seconds()),
            )
        )
    )


async def _update_room(lk: api.LiveKitAPI, name: str, metadata: str) -> None:
    await _repeat(
        lambda: lk.room.update_room_metadata(
            api.UpdateRoomMetadataRequest(room=name, metadata=metadata)
        )
    )


async def _update_participant(lk: api.LiveKitAPI, name: str, identity: str, metadata: str) -> None:
    await _repeat(
        lambda: lk.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity=identity, metadata=metadata)
        )
    )


async def _list_learners(lk: api.LiveKitAPI, name: str) -> dict[str, api.ParticipantInfo]:
    """The people in a room by identity, agents left out."""
    answer = await _repeat(
        lambda: lk.room.list_participants(api.ListParticipantsRequest(room=name))
    )
    people = (p for p in answer.participants if p.kind != api.ParticipantInfo.Kind.AGENT)
    return {p.identity: p for p in people if p.state != api.ParticipantInfo.State.DISCONNECTED}


async def _list_room_sids(lk: api.LiveKitAPI, names: Sequence[str]) -> dict[str, str]:
    """The LiveKit rooms that live under these names."""
    answer = await _repeat(lambda: lk.room.list_rooms(api.ListRoomsRequest(names=names)))
    return {room.name: room.sid for room in answer.rooms}


async def _list_present(lk: api.LiveKitAPI, session: Running) -> list[Attended]:
    """The people who are in the session's room; nobody where it closed just now."""
    try:
        people = await _list_learners(lk, session.room_name)
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


async def _remove_participant(lk: api.LiveKitAPI, name: str, identity: str) -> None:
    try:
        await _repeat(
            lambda: lk.room.remove_participant(
                api.RoomParticipantIdentity(room=name, identity=identity)
            )
        )
    except api.ServerError as error:
        if error.code != "not_found":
            raise


async def _repeat(call: Callable[[], Awaitable[_T]]) -> _T:
    """An idempotent call, tried again over a broken connection or an answer of 5xx."""
    for pause_s in PAUSES_S:
        try:
            return await call()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(pause_s)
        except api.ServerError as error:
            if error.status < 500:
                raise
            await asyncio.sleep(pause_s)
    return await call()
