"""The library of a tutor (courses/library.py) over Postgres."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from uuid import UUID

from courses.course import Course, Lesson, Passage
from courses.library import PassageHit
from courses.progress import Visit, classify_visit
from courses.quiz import GradedAnswer, Question, QuizRun
from db import Connection, NotFound, Pool, progress, quizzes, search, tenant_tx
from db.courses import find_course, find_lesson, list_outline, list_passages


class PostgresLibrary:
    def __init__(self, pool: Pool, tenant_id: UUID) -> None:
        self._pool = pool
        self._tenant_id = tenant_id

    async def get_course(self, course_id: UUID) -> Course:
        async with self._library_transaction() as db:
            course = await find_course(db, self._tenant_id, str(course_id))
        if course is None:
            raise NotFound(f"course {course_id}")
        return course

    async def get_lesson(self, lesson_id: UUID) -> Lesson:
        async with self._library_transaction() as db:
            lesson = await find_lesson(db, self._tenant_id, lesson_id)
        if lesson is None:
            raise NotFound(f"lesson {lesson_id}")
        return lesson

    async def list_outline(self, course_id: UUID) -> list[Lesson]:
        async with self._library_transaction() as db:
            return await list_outline(db, self._tenant_id, course_id)

    async def list_passages(self, lesson_id: UUID) -> list[Passage]:
        async with self._library_transaction() as db:
            return await list_passages(db, self._tenant_id, lesson_id)

    async def search_passages(
        self, course_id: UUID, query: str, limit: int = 8
    ) -> list[PassageHit]:
        async with self._library_transaction() as db:
            return await search.search_passages(db, self._tenant_id, course_id, query, limit=limit)

    async def list_questions(self, lesson_id: UUID) -> list[Question]:
        async with self._library_transaction() as db:
            return await quizzes.list_questions(db, self._tenant_id, lesson_id)

    async def get_quiz_run(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        async with self._library_transaction() as db:
            return await quizzes.lock_quiz_run(db, self._tenant_id, account_id, lesson_id)

    async def start_quiz(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        async with self._library_transaction() as db:
            return await quizzes.start_quiz(db, self._tenant_id, account_id, lesson_id)

    async def grade_answer(
        self, account_id: UUID, lesson_id: UUID, option: int, now: datetime
    ) -> GradedAnswer:
        async with self._library_transaction() as db:
            return await quizzes.grade_answer(
                db, self._tenant_id, account_id, lesson_id, option, now
            )

    async def take_hint(self, account_id: UUID, lesson_id: UUID) -> str:
        async with self._library_transaction() as db:
            return await quizzes.take_hint(db, self._tenant_id, account_id, lesson_id)

    async def describe_visit(
        self, account_id: UUID, course_id: UUID, lesson_id: UUID | None
    ) -> Visit:
        async with self._library_transaction() as db:
            facts = await progress.select_visit_facts(
                db, self._tenant_id, account_id, course_id, lesson_id
            )
        return classify_visit(facts)

    async def record_visit(self, account_id: UUID, lesson_id: UUID, now: datetime) -> None:
        async with self._library_transaction() as db:
            await progress.record_visit(db, self._tenant_id, account_id, lesson_id, now)

    def _library_transaction(self) -> AbstractAsyncContextManager[Connection]:
        return tenant_tx(self._pool, self._tenant_id)
