"""Teachers and mentors of courses. Owns course_staff.

They see what the learners of their course say. A course without staff is taught by all teachers of
its tenant. If a member of the staff is deleted, a row without an account stays, so that the course
isn't opened to all teachers by that.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from db import Connection

StaffRole = Literal["teacher", "mentor"]


@dataclass(frozen=True)
class StaffMember:
    """`account_id` and `name` are None if the account was deleted."""

    account_id: UUID | None
    name: str | None
    role: StaffRole


async def upsert_staff_role(
    db: Connection, tenant_id: UUID, course_id: UUID, account_id: UUID, role: StaffRole
) -> None:
    await db.execute(
        """insert into course_staff (tenant_id, course_id, account_id, role)
           values ($1, $2, $3, $4)
           on conflict (tenant_id, course_id, account_id) do update set role = excluded.role""",
        tenant_id,
        course_id,
        account_id,
        role,
    )


async def delete_staff(db: Connection, tenant_id: UUID, course_id: UUID, account_id: UUID) -> None:
    """Removes the account from the staff, and the rows of members who were deleted."""
    await db.execute(
        """delete from course_staff
           where tenant_id = $1 and course_id = $2 and (account_id = $3 or account_id is null)""",
        tenant_id,
        course_id,
        account_id,
    )


async def list_staff(db: Connection, tenant_id: UUID, course_id: UUID) -> list[StaffMember]:
    rows = await db.fetch(
        """select s.account_id, a.name, s.role from course_staff s
           left join accounts a on a.tenant_id = s.tenant_id and a.id = s.account_id
           where s.tenant_id = $1 and s.course_id = $2 order by a.name, a.id""",
        tenant_id,
        course_id,
    )
    return [StaffMember(**row) for row in rows]


async def may_teach(db: Connection, tenant_id: UUID, course_id: UUID, account_id: UUID) -> bool:
    """Whether the account is on the staff of the course, or the course has no staff."""
    teaches: bool = await db.fetchval(
        """select not exists (select from course_staff where tenant_id = $1 and course_id = $2)
               or exists (select from course_staff
                          where tenant_id = $1 and course_id = $2 and account_id = $3)""",
        tenant_id,
        course_id,
        account_id,
    )
    return teaches
