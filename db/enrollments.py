"""Enrollments. Owns enrollments."""

from uuid import UUID

from db import Connection


async def ensure_enrollment(
    db: Connection, tenant_id: UUID, account_id: UUID, course_id: UUID
) -> None:
    await db.execute(
        """insert into enrollments (tenant_id, account_id, course_id) values ($1, $2, $3)
           on conflict do nothing""",
        tenant_id,
        account_id,
        course_id,
    )
