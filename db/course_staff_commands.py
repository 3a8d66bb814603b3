"""`python -m db staff`: who teaches a course."""

from uuid import UUID

from courses.course import Course
from db import Connection
from db.account_commands import AccountError, print_line, select_one_account
from db.accounts import Account
from db.course_staff import StaffRole, delete_staff, list_staff, upsert_staff_role
from db.courses import find_course
from db.roles import has_permission


class CourseError(Exception):
    pass


async def change_and_print_staff(
    db: Connection, tenant_id: UUID, course_key: str, who: str | None, role: StaffRole | None
) -> None:
    """Adds a person to the staff of a course, or removes them if there is no role.

    Prints the staff. Raises CourseError, or AccountError unless `who` is exactly one account, of a
    teacher or admin if it is added.
    """
    course = await _select_course(db, tenant_id, course_key)
    if who is not None:
        account = await select_one_account(db, tenant_id, who)
        if role is None:
            await delete_staff(db, tenant_id, course.id, account.id)
        else:
            _check_teacher(account, who)
            await upsert_staff_role(db, tenant_id, course.id, account.id, role)
    await _print_staff(db, tenant_id, course)


def _check_teacher(account: Account, who: str) -> None:
    """Being on the staff of a course gives nobody a role. Raises AccountError."""
    if not has_permission(account, "teach"):
        raise AccountError(
            f"{who} is {account.role}: first run `python -m db role {who} teacher`, "
            "or let the identity provider name a teacher's role"
        )


async def _print_staff(db: Connection, tenant_id: UUID, course: Course) -> None:
    members = await list_staff(db, tenant_id, course.id)
    for member in members:
        who = "whose account was deleted" if member.name is None else member.name
        print_line(f"{course.title}: {member.role} {who}")
    if not members:
        print_line(f"{course.title} has no staff: every teacher of the tenant sees its learners")


async def _select_course(db: Connection, tenant_id: UUID, key: str) -> Course:
    course = await find_course(db, tenant_id, key, unpublished=True)
    if course is None:
        raise CourseError(
            f"there is no course {key}: write its slug or its id, "
            "and --tenant if it is not in the default one"
        )
    return course
