"""The metadata of a room or of a learner in it, read from the database.

Everyone in a room can read it, so it holds a learner's private facts only while nobody else can
enter the room (decision 7).
"""

from uuid import UUID

from courses.course import Course, Lesson, Module
from courses.progress import Visit, classify_visit
from db import Connection, NotFound
from db.accounts import Account, find_account
from db.courses import find_course, find_lesson, find_module
from db.progress import select_visit_facts
from db.roles import has_permission
from db.rooms import Room, find_room_learner, has_other_learners
from protocol import (
    MAX_ROOM_METADATA_BYTES,
    MAX_TOKEN_METADATA_BYTES,
    RoomMetadata,
    dump_metadata,
)


async def read_learner_metadata(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    account: Account,
    lesson_id: UUID | None,
    revision: int,
) -> RoomMetadata:
    """The learner's own metadata, with private facts. Raises NotFound without the course."""
    if room.course_id is None or room.module_id is None:
        raise NotFound("this room belongs to no module")
    course = await find_course(db, tenant_id, str(room.course_id))
    module = await find_module(
        db,
        tenant_id,
        room.course_id,
        room.module_id,
        unpublished=has_permission(account, "see_unpublished"),
    )
    if course is None or module is None:
        raise NotFound("the module of this room")
    lesson = await find_lesson(db, tenant_id, lesson_id) if lesson_id else None
    seen = await select_visit(db, tenant_id, account, course.id, lesson)
    return _build_metadata(course, module, lesson, seen, account, revision)


def token_metadata(own: RoomMetadata, account: Account) -> str:
    """What a learner's token carries, and so everyone in the room reads."""
    return dump_metadata(own.public(account.identity), MAX_TOKEN_METADATA_BYTES)


async def read_room_metadata(db: Connection, room: Room, opener: Account, own: RoomMetadata) -> str:
    """What the room carries: the opener's own metadata, or the public part in a shared room.

    The caller holds the room.
    """
    shared = await has_other_learners(db, room.tenant_id, room.id, opener.id)
    return dump_metadata(own.public(opener.identity) if shared else own, MAX_ROOM_METADATA_BYTES)


async def read_opener_metadata(db: Connection, room: Room) -> str:
    """What the room carries for its present opener, with their current lesson.

    Empty if the opener or the lesson no longer exists; the agent then reads the database.
    """
    opener_id = room.opener_account_id
    if opener_id is None:
        return ""
    account = await find_account(db, room.tenant_id, opener_id)
    learner = await find_room_learner(db, room.tenant_id, room.id, opener_id)
    if account is None or learner is None:
        return ""
    try:
        own = await read_learner_metadata(
            db, room.tenant_id, room, account, learner.lesson_id, learner.revision
        )
    except NotFound:
        return ""
    return await read_room_metadata(db, room, account, own)


async def select_visit(
    db: Connection, tenant_id: UUID, account: Account, course_id: UUID, lesson: Lesson | None
) -> Visit:
    lesson_id = lesson.id if lesson else None
    return classify_visit(await select_visit_facts(db, tenant_id, account.id, course_id, lesson_id))


def _build_metadata(
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
