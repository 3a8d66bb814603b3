"""The metadata of a room or of a learner in it, read from the database."""

from uuid import UUID

from courses.course import Course, Lesson, Module
from courses.progress import Visit, classify_visit
from db import Connection, NotFound
from db.account_settings import select_settings
from db.accounts import Account
from db.courses import find_course, find_lesson, find_module
from db.progress import select_visit_facts
from db.roles import has_permission
from db.rooms import Room
from protocol import RoomMetadata


async def learner_metadata(
    db: Connection,
    tenant_id: UUID,
    room: Room,
    account: Account,
    lesson_id: UUID | None,
    revision: int,
) -> RoomMetadata:
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
    chosen = await select_settings(db, tenant_id, account.id)
    metadata = _build_metadata(course, module, lesson, seen, account, revision)
    return metadata.model_copy(update={"store_words": chosen.store_words})


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
