"""Progress of learners. Owns lesson_progress."""

from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from courses.progress import (
    CourseProgress,
    LessonProgress,
    MarkedLesson,
    MarkedModule,
    VisitedLesson,
    VisitFacts,
)
from db import Connection, NotFound, fetch_one


async def list_modules_with_progress(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    course_id: UUID,
    *,
    unpublished: bool = False,
) -> list[MarkedModule]:
    rows = await db.fetch(
        """select m.id as module_id, m.title as module_title, l.id, l.title, l.order_index,
                  l.duration_s, l.is_published, coalesce(p.status, 'not_started') as status,
                  coalesce(p.last_position, 0) as last_position, p.last_accessed_at
           from modules m
           left join course_lessons l
             on l.tenant_id = m.tenant_id and l.module_id = m.id and ($4 or l.is_published)
           left join lesson_progress p
             on p.tenant_id = l.tenant_id and p.lesson_id = l.id and p.account_id = $2
           where m.tenant_id = $1 and m.course_id = $3 and ($4 or coalesce(m.is_published, true))
           order by m.order_index, l.order_index""",
        tenant_id,
        account_id,
        course_id,
        unpublished,
    )
    return [
        MarkedModule(
            module_id, title, tuple(_marked_lesson_of_row(row) for row in group if row["id"])
        )
        for (module_id, title), group in groupby(
            rows, key=lambda row: (row["module_id"], row["module_title"])
        )
    ]


def _marked_lesson_of_row(row: Any) -> MarkedLesson:
    return MarkedLesson(**{name: value for name, value in row.items() if name != "module_title"})


async def select_visit_facts(
    db: Connection, tenant_id: UUID, account_id: UUID, course_id: UUID, lesson_id: UUID | None
) -> VisitFacts:
    """The facts of a visit, in one query. A lesson of another course counts as no lesson."""
    row = await fetch_one(
        db,
        """with outline as (
             select id, row_number() over place as number, lag(title) over place as prev_title
             from course_lessons where tenant_id = $1 and course_id = $3 and is_published
             window place as (order by module_index, order_index)
           ), mine as (
             select p.lesson_id, p.status, p.percentage, p.last_position, p.last_accessed_at,
                    l.title
             from lesson_progress p
             join course_lessons l on l.tenant_id = p.tenant_id and l.id = p.lesson_id
             where p.tenant_id = $1 and p.account_id = $2 and l.course_id = $3
           )
           select
             (select count(*) from mine) as visited_lessons,
             (select count(*) from mine join outline o on o.id = lesson_id
              where status = 'completed') as completed_lessons,
             (select count(*) from outline) as total_lessons,
             (select title from mine order by last_accessed_at desc limit 1) as last_lesson_title,
             l.order_index, o.number, o.prev_title, m.status, m.percentage, m.last_position,
             l.module_id = (
               select id from modules where tenant_id = $1 and course_id = $3
                 and coalesce(is_published, true) order by order_index limit 1
             ) as in_first_module
           from (values (1)) as one
           left join course_lessons l on l.tenant_id = $1 and l.course_id = $3 and l.id = $4
           left join outline o on o.id = l.id
           left join mine m on m.lesson_id = l.id""",
        tenant_id,
        account_id,
        course_id,
        lesson_id,
    )
    lesson = VisitedLesson(
        row["order_index"], bool(row["in_first_module"]), row["number"], row["prev_title"]
    )
    progress = LessonProgress(row["percentage"], row["last_position"], row["status"])
    return VisitFacts(
        visited_lessons=row["visited_lessons"],
        course=CourseProgress(
            row["completed_lessons"], row["total_lessons"], row["last_lesson_title"]
        ),
        lesson=None if row["order_index"] is None else lesson,
        progress=None if row["status"] is None else progress,
    )


async def record_visit(
    db: Connection, tenant_id: UUID, account_id: UUID, lesson_id: UUID, now: datetime
) -> None:
    await db.execute(
        """insert into lesson_progress (tenant_id, account_id, lesson_id, status, last_accessed_at)
           values ($1, $2, $3, 'in_progress', $4)
           on conflict (tenant_id, account_id, lesson_id) do update set
             status = case lesson_progress.status when 'not_started' then 'in_progress'
                      else lesson_progress.status end,
             last_accessed_at = greatest(lesson_progress.last_accessed_at,
                                         excluded.last_accessed_at)""",
        tenant_id,
        account_id,
        lesson_id,
        now,
    )


async def update_progress(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    lesson_id: UUID,
    *,
    percentage: int | None = None,
    last_position: float | None = None,
    completed: bool | None = None,
    now: datetime,
) -> LessonProgress:
    """Updates the given values. A completed lesson has 100 percent.

    A lesson stays completed until `completed` is False. Raises NotFound if the tenant has no such
    lesson.
    """
    row = await db.fetchrow(
        """insert into lesson_progress as p
             (tenant_id, account_id, lesson_id, status, percentage, last_position, last_accessed_at)
           select tenant_id, $2, id, case when $6 then 'completed' else 'in_progress' end,
                  case when $6 then 100 else coalesce($4, 0) end,
                  coalesce($5::double precision, 0), $7
           from lessons where tenant_id = $1 and id = $3
           on conflict (tenant_id, account_id, lesson_id) do update set
             status = case when coalesce($6, p.status = 'completed') then 'completed'
                      else 'in_progress' end,
             percentage = case when $6 then 100 else coalesce($4, p.percentage) end,
             last_position = coalesce($5, p.last_position),
             last_accessed_at = greatest(p.last_accessed_at, $7)
           returning percentage, last_position, status""",
        tenant_id,
        account_id,
        lesson_id,
        percentage,
        last_position,
        completed,
        now,
    )
    if row is None:
        raise NotFound(f"lesson {lesson_id}")
    return LessonProgress(row["percentage"], row["last_position"], row["status"])
