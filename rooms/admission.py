"""Who may enter a tutor room, and on which lesson. Uses only Postgres."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from courses.course import Course, Lesson, Module, initial_lesson
from courses.progress import Visit
from db import Connection, NotFound
from db import rooms as stored
from db.accounts import Account
from db.courses import find_course, find_module, list_lessons
from db.enrollments import ensure_enrollment
from db.roles import has_permission
from db.rooms import Room
from protocol import room_name
from rooms.lessons import move_learner
from rooms.metadata import select_visit
from settings import Settings


@dataclass(frozen=True)
class Admission:
    course: Course
    module: Module
    lessons: Sequence[Lesson]  # of the module, in order; unpublished ones for staff only
    lesson: Lesson | None  # None in a module without lessons
    visit: Visit
    room: Room


async def admit(
    settings: Settings,
    db: Connection,
    account: Account,
    course_key: str,
    module_id: UUID,
    *,
    lesson_id: UUID | None,
    stay: bool,
    now: datetime,
) -> Admission:
    """Enrols the account in the course and puts it on a lesson in the module's room.

    Without `lesson_id`, that is the lesson of the last visit to the room if `stay`, else the first.
    Raises NotFound for a course or module that the account may not see.
    """
    tenant_id = account.tenant_id
    course = await find_course(db, tenant_id, course_key)
    if course is None:
        raise NotFound("course")
    unpublished = has_permission(account, "see_unpublished")
    module = await find_module(db, tenant_id, course.id, module_id, unpublished=unpublished)
    if module is None:
        raise NotFound("module")
    lessons = await list_lessons(db, tenant_id, module.id, unpublished=unpublished)
    await ensure_enrollment(db, tenant_id, account.id, course.id)
    name = tutor_room_name(settings, account, course.id, module.id)
    room = await stored.ensure_room(
        db, tenant_id, name=name, course_id=course.id, module_id=module.id
    )
    lesson = await _put_learner_on_lesson(
        db, account, room, lessons, asked=lesson_id, stay=stay, now=now
    )
    visit = await select_visit(db, tenant_id, account, course.id, lesson)
    return Admission(course, module, lessons, lesson, visit, room)


def tutor_room_name(settings: Settings, account: Account, course_id: UUID, module_id: UUID) -> str:
    if settings.room_scope == "learner":
        suffix = hashlib.sha256(account.identity.encode()).hexdigest()[:16]
        return room_name(course_id, module_id, suffix)
    return room_name(course_id, module_id)


async def _put_learner_on_lesson(
    db: Connection,
    account: Account,
    room: Room,
    lessons: list[Lesson],
    *,
    asked: UUID | None,
    stay: bool,
    now: datetime,
) -> Lesson | None:
    """Makes the account a learner of the room. Returns the lesson it is on."""
    tenant_id = account.tenant_id
    before = await stored.find_room_learner(db, tenant_id, room.id, account.id)
    last_id = before.lesson_id if before and stay else None
    lesson = initial_lesson(lessons, asked or last_id)
    chosen_id = lesson.id if lesson else None
    learner = await stored.ensure_room_learner(db, tenant_id, room.id, account.id, chosen_id)
    if lesson and learner.lesson_id != lesson.id:
        await move_learner(db, tenant_id, learner, lesson.id, now)
    return lesson
