"""What a tutor reads and writes of a course: over Postgres (db/library.py) or in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from courses.course import Course, Lesson, Passage
from courses.progress import Visit
from courses.quiz import Graded, Question, QuizRun


@dataclass(frozen=True)
class Hit:
    """A passage that shares words with a question; a higher score is a better match."""

    passage: Passage
    lesson_title: str
    lesson_number: int
    score: float


class Library(Protocol):
    """The course data of one tenant. Nothing here gives away the key of a question."""

    async def course(self, course_id: UUID) -> Course:
        """Raises NotFound."""

    async def lesson(self, lesson_id: UUID) -> Lesson:
        """A lesson, published or not. Raises NotFound."""

    async def outline(self, course_id: UUID) -> list[Lesson]:
        """The published lessons in order: the lesson number is the index plus one."""

    async def passages(self, lesson_id: UUID) -> list[Passage]:
        """The passages of a lesson in order."""

    async def search(self, course_id: UUID, query: str, limit: int = 8) -> list[Hit]:
        """Passages that share words with the query, best first."""

    async def questions(self, lesson_id: UUID) -> Sequence[Question]:
        """The quiz of a lesson; empty where it has none."""

    async def quiz_run(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        """Where the learner stands in the quiz."""

    async def start_quiz(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        """Opens the quiz or goes on with it. Raises NotFound where the lesson has none."""

    async def grade(self, account_id: UUID, lesson_id: UUID, option: int, now: datetime) -> Graded:
        """Grades an answer, counted from 0. Raises Conflict where no question is open."""

    async def take_hint(self, account_id: UUID, lesson_id: UUID) -> str:
        """The next hint. Raises Conflict where no question is open."""

    async def visit(self, account_id: UUID, course_id: UUID, lesson_id: UUID | None) -> Visit:
        """How the learner comes to the lesson."""

    async def record_visit(self, account_id: UUID, lesson_id: UUID, now: datetime) -> None:
        """The learner was greeted in the lesson."""
