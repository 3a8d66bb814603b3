"""The tutor's access to courses and quizzes, in Postgres (db/library.py) or in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from courses.course import Course, Lesson, Passage
from courses.progress import Visit
from courses.quiz import GradedAnswer, Question, QuizRun


@dataclass(frozen=True)
class PassageHit:
    passage: Passage
    lesson_title: str
    lesson_number: int
    score: float


class Library(Protocol):
    """The courses of one tenant. No method reveals the right option of a question."""

    async def get_course(self, course_id: UUID) -> Course:
        """Raises NotFound."""

    async def get_lesson(self, lesson_id: UUID) -> Lesson:
        """A lesson, published or not. Raises NotFound."""

    async def list_outline(self, course_id: UUID) -> list[Lesson]:
        """The published lessons in order; a lesson's number is its index plus one."""

    async def list_passages(self, lesson_id: UUID) -> list[Passage]: ...

    async def search_passages(
        self, course_id: UUID, query: str, limit: int = 8
    ) -> list[PassageHit]: ...

    async def list_questions(self, lesson_id: UUID) -> Sequence[Question]: ...

    async def get_quiz_run(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        """The learner's progress in the quiz; no pending question if it is not started."""

    async def start_quiz(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        """Starts the quiz, or continues an open one. Raises NotFound if the lesson has none."""

    async def grade_answer(
        self, account_id: UUID, lesson_id: UUID, option: int, now: datetime
    ) -> GradedAnswer:
        """Grades an option, counted from 0. Raises Conflict if no question is open."""

    async def take_hint(self, account_id: UUID, lesson_id: UUID) -> str:
        """The next hint; empty if there is none. Raises Conflict if no question is open."""

    async def describe_visit(
        self, account_id: UUID, course_id: UUID, lesson_id: UUID | None
    ) -> Visit: ...

    async def record_visit(self, account_id: UUID, lesson_id: UUID, now: datetime) -> None: ...
