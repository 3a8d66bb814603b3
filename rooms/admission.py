"""Who may enter a tutor room, and on which lesson. Uses only Postgres."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from courses.course import Course, Lesson, Module, initial_lesson
from courses.progress import Visit
from db import Connection, Forbidden, NotFound
from db import rooms as stored
from db.accounts import Account
from db.consent_texts import ConsentKind
from db.courses import find_course, find_module, list_lessons
from db.enrollments import ensure_enrollment
from db.roles import has_permission
from db.rooms import Room
from db.tenants import select_policy
from protocol import room_name
from rooms.consents import select_consents
from rooms.lessons import update_lesson_and_append_event
from rooms.metadata import select_visit
from settings import RoomScope, Settings


@dataclass(frozen=True)
class Admission:
    course: Course
    module: Module
    lessons: Sequence[Lesson]  # of the module, in order; unpublished ones for staff only
    lesson: Lesson | None  # None in a module without lessons
    visit: Visit
    room: Room
    scope: RoomScope
    missing_consents: Sequence[ConsentKind]  # without them the account may read, but not join


async def enrol_and_place_learner(
    settings: Settings,
    db: Connection,
    account: Account,
    course_key: str,
    module_id: UUID,
    *,
    lesson_id: UUID | None,
    stay: bool,
    private: bool,
    now: datetime,
) -> Admission:
    """Enrols the account in the course and puts it on a lesson in the module's room.

    Without `lesson_id`, that is the lesson of the last visit to the room if `stay`, else the first.
    Raises NotFound for a course or module that the account may not see, and Forbidden for a
    `private` room where the tenant has none.
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
    scope = await select_room_scope(settings, db, tenant_id)
    name = tutor_room_name(scope, account, course.id, module.id, private=private)
    await ensure_enrollment(db, tenant_id, account.id, course.id)
    room = await stored.ensure_room(
        db, tenant_id, name=name, course_id=course.id, module_id=module.id
    )
    lesson = await _put_learner_on_lesson(
        db, account, room, lessons, asked=lesson_id, stay=stay, now=now
    )
    visit = await select_visit(db, tenant_id, account, course.id, lesson)
    consents = await select_consents(settings, db, account)
    return Admission(course, module, lessons, lesson, visit, room, scope, consents.missing)


async def select_room_scope(settings: Settings, db: Connection, tenant_id: UUID) -> RoomScope:
    return (await select_policy(db, tenant_id)).room_scope or settings.room_scope


def tutor_room_name(
    scope: RoomScope, account: Account, course_id: UUID, module_id: UUID, *, private: bool
) -> str:
    """The module's shared room or the account's own; its own where no room is shared.

    Raises Forbidden for a private room where all rooms are shared: nobody who asks for a private
    room may end up in a shared one.
    """
    names = _room_names(scope, account, course_id, module_id)
    if private and True not in names:
        raise Forbidden("Private rooms are turned off. Reload the page.")
    return names.get(private) or names[True]


async def select_own_room(
    settings: Settings, db: Connection, account: Account, name: str
) -> tuple[Room, bool]:
    """A tutor room that the account may enter, and whether it is private.

    Raises NotFound, also for the room of another learner.
    """
    room = await stored.find_room(db, account.tenant_id, name)
    if room is None or room.course_id is None or room.module_id is None:
        raise NotFound("room")
    scope = await select_room_scope(settings, db, account.tenant_id)
    names = _room_names(scope, account, room.course_id, room.module_id)
    for private, own in names.items():
        if own == name:
            return room, private
    raise NotFound("room")


def _room_names(
    scope: RoomScope, account: Account, course_id: UUID, module_id: UUID
) -> dict[bool, str]:
    """The rooms that the account may enter in a module, by whether they are private."""
    names = {}
    if scope != "learner":
        names[False] = room_name(course_id, module_id)
    if scope != "module":
        suffix = hashlib.sha256(account.identity.encode()).hexdigest()[:16]
        names[True] = room_name(course_id, module_id, suffix)
    return names


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
    learner = await stored.upsert_room_learner(db, tenant_id, room.id, account.id, chosen_id)
    if lesson and learner.lesson_id != lesson.id:
        await update_lesson_and_append_event(db, tenant_id, learner, lesson.id, now)
    return lesson
