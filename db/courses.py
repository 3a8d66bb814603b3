"""The course tree as readers see it. Owns courses, modules, lessons, passages."""

from typing import Any
from uuid import UUID

from courses.course import Course, Lesson, Module, Passage
from db import Connection


async def find_course(
    db: Connection, tenant_id: UUID, key: str, *, unpublished: bool = False
) -> Course | None:
    """The course with this course_id, else id, else slug. The key may be any text."""
    if not is_storable(key):
        return None
    row = await db.fetchrow(
        """select id, course_id, slug, title, description, learning_objectives
           from courses
           where tenant_id = $1 and ($3 or coalesce(is_published, true))
             and (course_id = $2 or id::text = lower($2) or slug = $2)
           order by course_id = $2 desc nulls last, id::text = lower($2) desc
           limit 1""",
        tenant_id,
        key,
        unpublished,
    )
    return None if row is None else _course_of_row(row)


async def list_courses(db: Connection, tenant_id: UUID) -> list[Course]:
    rows = await db.fetch(
        """select id, course_id, slug, title, description, learning_objectives
           from courses where tenant_id = $1 and coalesce(is_published, true)
           order by title, id""",
        tenant_id,
    )
    return [_course_of_row(row) for row in rows]


async def find_module(
    db: Connection, tenant_id: UUID, course_id: UUID, module_id: UUID, *, unpublished: bool = False
) -> Module | None:
    row = await db.fetchrow(
        """select id, course_id, title, description, order_index from modules
           where tenant_id = $1 and course_id = $2 and id = $3
             and ($4 or coalesce(is_published, true))""",
        tenant_id,
        course_id,
        module_id,
        unpublished,
    )
    return None if row is None else Module(**row)


async def list_lessons(
    db: Connection, tenant_id: UUID, module_id: UUID, *, unpublished: bool = False
) -> list[Lesson]:
    rows = await db.fetch(
        """select id, module_id, course_id, title, order_index, description, objectives,
                  duration_s, kpoint_video_id, youtube_video_id, is_published
           from course_lessons
           where tenant_id = $1 and module_id = $2 and ($3 or is_published)
           order by order_index""",
        tenant_id,
        module_id,
        unpublished,
    )
    return [_lesson_of_row(row) for row in rows]


async def find_lesson(db: Connection, tenant_id: UUID, lesson_id: UUID) -> Lesson | None:
    """A lesson, published or not: the caller checks `is_published`."""
    row = await db.fetchrow(
        """select id, module_id, course_id, title, order_index, description, objectives,
                  duration_s, kpoint_video_id, youtube_video_id, is_published
           from course_lessons where tenant_id = $1 and id = $2""",
        tenant_id,
        lesson_id,
    )
    return None if row is None else _lesson_of_row(row)


async def list_outline(db: Connection, tenant_id: UUID, course_id: UUID) -> list[Lesson]:
    rows = await db.fetch(
        """select id, module_id, course_id, title, order_index, description, objectives,
                  duration_s, kpoint_video_id, youtube_video_id, is_published
           from course_lessons
           where tenant_id = $1 and course_id = $2 and is_published
           order by module_index, order_index""",
        tenant_id,
        course_id,
    )
    return [_lesson_of_row(row) for row in rows]


async def list_passages(db: Connection, tenant_id: UUID, lesson_id: UUID) -> list[Passage]:
    rows = await db.fetch(
        """select id, lesson_id, number, kind, heading, body, mathml from passages
           where tenant_id = $1 and lesson_id = $2 order by number""",
        tenant_id,
        lesson_id,
    )
    return [Passage(**row) for row in rows]


async def find_video_captions(db: Connection, tenant_id: UUID, lesson_id: UUID) -> str | None:
    captions: str | None = await db.fetchval(
        "select captions_vtt from lessons where tenant_id = $1 and id = $2", tenant_id, lesson_id
    )
    return captions


def is_storable(text: str) -> bool:
    """Whether Postgres can store the text: no NUL, no lone surrogate."""
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


def _course_of_row(row: Any) -> Course:
    return Course(**{**row, "learning_objectives": tuple(row["learning_objectives"])})


def _lesson_of_row(row: Any) -> Lesson:
    return Lesson(**{**row, "objectives": tuple(row["objectives"])})
