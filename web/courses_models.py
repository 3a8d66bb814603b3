"""The JSON of courses and lessons. No model has a field for the answer of a quiz question."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from courses.progress import ProgressStatus
from web.camel import CamelModel


class CourseLine(CamelModel):
    id: UUID
    slug: str
    title: str


class CourseList(CamelModel):
    courses: list[CourseLine]


class LessonLine(CamelModel):
    """A lesson in a course's tree, with the caller's status. `duration` is in seconds."""

    id: UUID
    title: str
    order_index: int
    duration: int | None
    status: ProgressStatus


class ModuleLine(CamelModel):
    id: UUID
    title: str
    lessons: list[LessonLine]


class CourseProgress(CamelModel):
    """The caller's progress in the published lessons of a course."""

    completed_lessons: int
    total_lessons: int
    last_lesson_title: str | None


class LastLesson(CamelModel):
    """The lesson the caller opened last. `lastPosition` is in seconds of its video."""

    lesson_id: UUID
    module_id: UUID
    last_position: float
    last_accessed_at: datetime


class CourseTree(CourseLine):
    """A course with its modules, in order. `last` is null before the first visit."""

    description: str
    modules: list[ModuleLine]
    progress: CourseProgress
    last: LastLesson | None


class QuizQuestion(CamelModel):
    id: UUID
    number: int
    prompt: str
    options: list[str]
    passage_number: int | None


class LessonProgress(CamelModel):
    """The caller's progress in a lesson. `lastPosition` is in seconds of its video."""

    completion_percentage: int = Field(ge=0, le=100)
    last_position: float
    status: ProgressStatus


class LessonPassage(CamelModel):
    """A passage of a lesson in Markdown, with links to its pictures; a formula also as MathML."""

    id: UUID
    number: int
    kind: Literal["text", "code", "formula"]
    heading: str
    body: str
    mathml: str | None = Field(
        description="Formulas only; null if an older version of Bodh imported the course"
    )


class LessonText(CamelModel):
    """A lesson. `number` counts through the course; null if the lesson is unpublished."""

    id: UUID
    course_id: UUID
    module_id: UUID
    number: int | None
    title: str
    description: str
    objectives: list[str]
    passages: list[LessonPassage]
    captions_url: str | None
    quiz: list[QuizQuestion]


class ProgressChange(CamelModel):
    """Omitted fields keep their value. `lastPosition` is in seconds of the video."""

    percentage: int | None = Field(None, ge=0, le=100)
    last_position: float | None = Field(None, ge=0, le=1_000_000, allow_inf_nan=False)
    completed: bool | None = None
