"""Pictures of courses: stored objects that the passages of a course refer to."""

from collections.abc import Iterable
from uuid import UUID

from courses.pictures import Picture, picture_names
from db import Connection
from db.queue import enqueue_job
from db.storage import Storage


def picture_object(course_id: UUID, name: str) -> str:
    return f"{_picture_folder(course_id)}/{name}"


async def store_pictures(
    db: Connection, storage: Storage, tenant_id: UUID, course_id: UUID, pictures: Iterable[Picture]
) -> None:
    """Stores the pictures of an import. Call it in the same transaction, after the passages.

    Queues the deletion of pictures that no passage shows any more. Raises StorageUnavailable.
    """
    await lock_pictures(db, tenant_id, course_id)
    stored = set(await storage.list_names(tenant_id, _picture_folder(course_id)))
    for picture in pictures:
        name = picture_object(course_id, picture.name)
        if name not in stored:
            await storage.put(tenant_id, name, picture.data)
    if stored - await list_picture_objects(db, tenant_id, course_id):
        await enqueue_job(db, tenant_id, "delete_pictures", {"course_id": str(course_id)})


async def delete_unused_pictures(
    db: Connection, storage: Storage, tenant_id: UUID, course_id: UUID
) -> None:
    await lock_pictures(db, tenant_id, course_id)
    stored = set(await storage.list_names(tenant_id, _picture_folder(course_id)))
    used = await list_picture_objects(db, tenant_id, course_id)
    await storage.delete(tenant_id, sorted(stored - used))


async def lock_pictures(db: Connection, tenant_id: UUID, course_id: UUID) -> None:
    """Locks the pictures of a course until the transaction ends.

    Otherwise a job could delete a picture of an import that is not committed yet.
    """
    await db.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{tenant_id}/{course_id}"
    )


async def list_picture_objects(db: Connection, tenant_id: UUID, course_id: UUID) -> set[str]:
    rows = await db.fetch(
        """select body from passages
           where tenant_id = $1 and body like '%](picture:%' and lesson_id in (
             select id from course_lessons where tenant_id = $1 and course_id = $2)""",
        tenant_id,
        course_id,
    )
    return {picture_object(course_id, name) for row in rows for name in picture_names(row["body"])}


def _picture_folder(course_id: UUID) -> str:
    return f"courses/{course_id}"
