"""A learner's progress in a course, and the session type of a visit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from protocol import SessionType

ProgressStatus = Literal["not_started", "in_progress", "completed"]


@dataclass(frozen=True)
class CourseProgress:
    """Counts of published lessons; the last lesson is the one opened most recently."""

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
    id: UUID
    title: str
    lessons: tuple[MarkedLesson, ...]


@dataclass(frozen=True)
class VisitedLesson:
    order_index: int
    in_first_module: bool  # of the published modules
    number: int | None
    prev_title: str | None


@dataclass(frozen=True)
class VisitFacts:
    visited_lessons: int  # progress rows of the account in the course
    course: CourseProgress
    lesson: VisitedLesson | None
    progress: LessonProgress | None


@dataclass(frozen=True)
class Visit:
    session_type: SessionType
    is_first_course_visit: bool
    is_intro_lesson: bool
    is_first_lesson_visit: bool
    lesson_number: int | None
    prev_lesson_title: str | None
    course_progress: CourseProgress
    lesson_progress: LessonProgress | None


def classify_visit(facts: VisitFacts) -> Visit:
    """Document 000's session type and its facts (A06 to A08, K24).

    An unpublished lesson, which only staff can open, has no number.
    """
    lesson = facts.lesson
    is_intro = lesson is not None and lesson.order_index == 0 and lesson.in_first_module
    first_in_course = facts.visited_lessons == 0
    first_in_lesson = facts.progress is None or facts.progress.status == "not_started"
    return Visit(
        session_type=choose_session_type(is_intro, first_in_course, first_in_lesson),
        is_first_course_visit=first_in_course,
        is_intro_lesson=is_intro,
        is_first_lesson_visit=first_in_lesson,
        lesson_number=1 if lesson is None else lesson.number,
        prev_lesson_title=None if lesson is None else lesson.prev_title,
        course_progress=facts.course,
        lesson_progress=facts.progress,
    )


def choose_session_type(
    is_intro: bool, first_in_course: bool, first_in_lesson: bool
) -> SessionType:
    """Visits to the course decide in the intro lesson, visits to the lesson elsewhere (A06)."""
    if is_intro:
        return "course_welcome" if first_in_course else "course_welcome_back"
    return "lesson_welcome" if first_in_lesson else "lesson_welcome_back"


def count_progress(modules: Sequence[MarkedModule]) -> CourseProgress:
    """Counts like `db.progress.select_visit_facts`."""
    lessons = [lesson for module in modules for lesson in module.lessons]
    published = [lesson for lesson in lessons if lesson.is_published]
    last = last_visited_lesson(modules)
    return CourseProgress(
        completed_lessons=sum(lesson.status == "completed" for lesson in published),
        total_lessons=len(published),
        last_lesson_title=last.title if last else None,
    )


def last_visited_lesson(modules: Sequence[MarkedModule]) -> MarkedLesson | None:
    visited = [
        (lesson.last_accessed_at, lesson)
        for module in modules
        for lesson in module.lessons
        if lesson.last_accessed_at is not None
    ]
    return max(visited, key=lambda one: one[0])[1] if visited else None
