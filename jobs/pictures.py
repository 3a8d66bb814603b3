"""Deletes the pictures that a course no longer shows."""

from uuid import UUID

from db.pictures import delete_unused_pictures
from jobs.work import Work


async def delete_pictures(work: Work) -> None:
    """Safe to repeat: a second run finds nothing to delete."""
    course_id = UUID(work.job.payload["course_id"])
    async with work.completing_transaction() as db:
        await delete_unused_pictures(db, work.parts.storage, work.tenant_id, course_id)
