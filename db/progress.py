"""Progress of learners. Owns lesson_progress and the rules of a visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from db import Connection, NotFound, fetch_one
from protocol import SessionType

ProgressStatus = Literal["not_started", "in_progress", "completed"]


@dataclass(frozen=True)
class CourseProgress:
    """Figures over the published lessons; the last lesson is the one opened latest."""

    completed_lessons: int
    total_lessons: int
    last_lesson_title: str | None


@dataclass(frozen=True)
class LessonProgress:
    """Percentage 0 to 100, position in seconds into the video."""

    completion_percentage: int
    last_position: float
    status: ProgressStatus


@dataclass(frozen=True)
class MarkedLesson:
    """A lesson with how far a learner is in it; never opened: no `last_accessed_at`."""

    id: UUID
    module_id: UUID
    title: str
    order_index: int
    duration_s: int | None
    is_published: bool
    status: ProgressStatus
    last_position: float
    last_accessed_at: datetime | None


@dataclass(frozen=True)
class MarkedModule:
    """A module with its lessons in order."""

    id: UUID
    title: str
    lessons: tuple[MarkedLesson, ...]


@dataclass(frozen=True)
class VisitedLesson:
    """The lesson of a visit as the course has it; `number` is None for an unpublished one."""

    order_index: int
    in_first_module: bool  # of the published modules
    number: int | None
    prev_title: str | None


@dataclass(frozen=True)
class VisitFacts:
    """What the rules of a visit look at; without a lesson the learner is in the module."""

    visited_lessons: int  # progress rows of the account in the course
    course: CourseProgress
    lesson: VisitedLesson | None
    progress: LessonProgress | None


@dataclass(frozen=True)
class Visit:
    """How a learner comes to a lesson: what the tutor greets by, what the page shows."""

    session_type: SessionType
    is_first_course_visit: bool
    is_intro_lesson: bool
    is_first_lesson_visit: bool
    lesson_number: int | None
    prev_lesson_title: str | None
    course_progress: CourseProgress
    lesson_progress: LessonProgress | None


def visit(facts: VisitFacts) -> Visit:
    """Document 000's session type and its facts (A06 to A08, K24).

    An unpublished lesson, which only staff can open, has no number.
    """
    lesson = facts.lesson
    is_intro = lesson is not None and lesson.order_index == 0 and lesson.in_first_module
    first_in_course = facts.visited_lessons == 0
    first_in_lesson = facts.progress is None or facts.progress.status == "not_started"
    return Visit(
        session_type=session_type(is_intro, first_in_course, first_in_lesson),
        is_first_course_visit=first_in_course,
        is_intro_lesson=is_intro,
        is_first_lesson_visit=first_in_lesson,
        lesson_number=1 if lesson is None else lesson.number,
        prev_lesson_title=None if lesson is None else lesson.prev_title,
        course_progress=facts.course,
        lesson_progress=facts.progress,
    )


def session_type(is_intro: bool, first_in_course: bool, first_in_lesson: bool) -> SessionType:
    """The intro lesson goes by the first visit of the course, any other by its own (A06)."""
    if is_intro:
        return "course_welcome" if first_in_course else "course_welcome_back"
    return "lesson_welcome" if first_in_lesson else "lesson_welcome_back"


def summarize(modules: Sequence[MarkedModule]) -> CourseProgress:
    """The figures of a course by its marks, as `select_visit_facts` counts them."""
    lessons = [lesson for module in modules for lesson in module.lessons]
    published = [lesson for lesson in lessons if lesson.is_published]
    last = last_visited(modules)
    return CourseProgress(
        completed_lessons=sum(lesson.status == "completed" for lesson in published),
        total_lessons=len(published),
        last_lesson_title=last.title if last else None,
    )


def last_visited(modules: Sequence[MarkedModule]) -> MarkedLesson | None:
    """Where the learner left off: the lesson opened latest."""
    visited = [
        (lesson.last_accessed_at, lesson)
        for module in modules
        for lesson in module.lessons
        if lesson.last_accessed_at is not None
    ]
    return max(visited, key=lambda one: one[0])[1] if visited else None


async def list_marked_modules(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    course_id: UUID,
    *,
    unpublished: bool = False,
) -> list[MarkedModule]:
    """A course's modules and lessons in order, with the account's marks, in one query."""
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
        MarkedModule(module_id, title, tuple(_marked(row) for row in group if row["id"]))
        for (module_id, title), group in groupby(
            rows, key=lambda row: (row["module_id"], row["module_title"])
        )
    ]


def _marked(row: Any) -> MarkedLesson:
    return MarkedLesson(**{name: value for name, value in row.items() if name != "module_title"})


async def select_visit_facts(
    db: Connection, tenant_id: UUID, account_id: UUID, course_id: UUID, lesson_id: UUID | None
) -> VisitFacts:
    """The facts of a visit in one query; a lesson outside the course counts as none."""
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
    """The learner was greeted in the lesson: it is in progress, unless completed already."""
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
    """Writes what is given and leaves the rest; completed counts as 100 percent.

    A completed lesson stays completed until `completed` is given as False. Raises NotFound where
    the tenant has no such lesson.
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
