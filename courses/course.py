"""The parts of a course: Course > Module > Lesson > Passage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

PassageKind = Literal["text", "code", "formula"]


@dataclass(frozen=True)
class Course:
    """A course; `course_id` is its key in another system, if it has one."""

    id: UUID
    course_id: str | None
    slug: str
    title: str
    description: str
    learning_objectives: tuple[str, ...]


@dataclass(frozen=True)
class Module:
    """`order_index` counts from 0 in the course."""

    id: UUID
    course_id: UUID
    title: str
    description: str
    order_index: int


@dataclass(frozen=True)
class Lesson:
    """`order_index` counts from 0 in the module.

    `is_published` is true only if the module is published too.
    """

    id: UUID
    module_id: UUID
    course_id: UUID
    title: str
    order_index: int
    description: str
    objectives: tuple[str, ...]
    duration_s: int | None
    kpoint_video_id: str | None
    youtube_video_id: str | None
    is_published: bool


@dataclass(frozen=True)
class Passage:
    """A paragraph, code block or formula of a lesson, as Markdown; `number` counts from 1."""

    id: UUID
    lesson_id: UUID
    number: int
    kind: PassageKind
    heading: str
    body: str
    mathml: str | None = None  # of a formula


def initial_lesson(lessons: Sequence[Lesson], asked: UUID | None) -> Lesson | None:
    """The lesson with the id `asked` if the module has it, else the first (A04)."""
    chosen = [lesson for lesson in lessons if lesson.id == asked]
    return next(iter(chosen or lessons), None)
