"""Roles: who may do what. The only module that checks a role by name.

An account has one role in its tenant, set by its sign-in. `PERMISSIONS` lists what that role allows
everywhere in the tenant. Rules that depend on a lesson, a course or a session are functions below.
"""

from collections.abc import Iterable, Mapping
from typing import Literal
from uuid import UUID

from courses.course import Lesson
from db import Connection, Forbidden, NotFound
from db.accounts import Account
from db.course_staff import may_teach
from db.rooms import find_room_by_id, find_room_learner
from db.sessions import Session, find_session
from protocol import Role

Permission = Literal[
    "see_unpublished",  # lessons and modules
    "teach",  # see what learners say, in courses of one's own and in courses without staff
    "see_any_session",  # and all that was said in it
    "read_event_logs",
    "read_notices",
    "export_accounts",
]

STAFF_PERMISSIONS: frozenset[Permission] = frozenset({"see_unpublished", "teach"})
ADMIN_PERMISSIONS: frozenset[Permission] = STAFF_PERMISSIONS | {
    "see_any_session",
    "read_event_logs",
    "read_notices",
    "export_accounts",
}
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "learner": frozenset(),
    "teacher": STAFF_PERMISSIONS,
    "admin": ADMIN_PERMISSIONS,
}

# names of the roles in sign-ins, strongest role first
ROLE_NAMES: Mapping[str, Role] = {
    "admin": "admin",
    "teacher": "teacher",
    "mentor": "teacher",
    "learner": "learner",
    "mentee": "learner",
    "student": "learner",
}


def strongest_role(names: Iterable[object]) -> Role:
    held = {ROLE_NAMES[name] for name in names if isinstance(name, str) and name in ROLE_NAMES}
    return next((role for role in ROLE_NAMES.values() if role in held), "learner")


def has_permission(account: Account, permission: Permission) -> bool:
    return permission in PERMISSIONS[account.role]


def list_roles_with(permission: Permission) -> list[Role]:
    return [role for role, allowed in PERMISSIONS.items() if permission in allowed]


def require_permission(account: Account, permission: Permission) -> None:
    if not has_permission(account, permission):
        raise Forbidden("Your role does not allow this. Ask an admin.")


def may_see_lesson(account: Account, lesson: Lesson) -> bool:
    return lesson.is_published or has_permission(account, "see_unpublished")


async def select_visible_session(
    db: Connection, tenant_id: UUID, account: Account, session_id: UUID
) -> Session:
    """Raises NotFound unless the account was in the room or may see what its learners say."""
    session = await find_session(db, tenant_id, session_id)
    if session is None:
        raise NotFound("session")
    if await find_room_learner(db, tenant_id, session.room_id, account.id):
        return session
    if not await sees_whole_session(db, tenant_id, account, session):
        raise NotFound("session")
    return session


async def select_taught_session(
    db: Connection, tenant_id: UUID, account: Account, session_id: UUID
) -> Session:
    """Raises NotFound, or Forbidden for a session that the account only learns in."""
    session = await select_visible_session(db, tenant_id, account, session_id)
    if not await sees_whole_session(db, tenant_id, account, session):
        raise Forbidden("Only a teacher of the course can do this.")
    return session


async def sees_whole_session(
    db: Connection, tenant_id: UUID, account: Account, session: Session
) -> bool:
    """Whether the account sees all that was said, not only what it heard itself."""
    room = await find_room_by_id(db, tenant_id, session.room_id)
    return await sees_learners_of(db, tenant_id, account, room.course_id if room else None)


async def sees_learners_of(
    db: Connection, tenant_id: UUID, account: Account, course_id: UUID | None
) -> bool:
    """Whether the account sees what the learners of a course say and do.

    Without a course, such as in a room of its own, only admins do.
    """
    if has_permission(account, "see_any_session"):
        return True
    if course_id is None or not has_permission(account, "teach"):
        return False
    return await may_teach(db, tenant_id, course_id, account.id)
