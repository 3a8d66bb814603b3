"""What a learner may say in their lesson: its terms, and the names of those who are here."""

import asyncio
import logging
from uuid import UUID

import db
from agent.room.dispatch import Dispatch
from agent.room.learner import Roster
from agent.room.tasks import Tasks
from courses.terms import pick_lesson_terms, pick_names
from db.courses import find_course, find_lesson, find_module, find_video_captions, list_passages

logger = logging.getLogger(__name__)


class LessonTerms:
    """Each lesson is read once, in the background, when somebody first speaks in it.

    Close it with `aclose`.
    """

    def __init__(self, dispatch: Dispatch, pool: db.Pool, roster: Roster) -> None:
        self._dispatch = dispatch
        self._pool = pool
        self._roster = roster
        self._terms: dict[UUID, tuple[str, ...]] = {}
        self._reading: set[UUID] = set()
        self._tasks = Tasks("terms")

    def list_terms(self, identity: str) -> tuple[str, ...]:
        """The most important first. Only names until the lesson has been read."""
        names = pick_names(one.name for one in self._roster.list_present())
        learner = self._roster.get(identity)
        lesson_id = learner.lesson_id if learner else None
        if lesson_id is None:
            return names
        if lesson_id not in self._terms and lesson_id not in self._reading:
            self._reading.add(lesson_id)
            self._tasks.spawn(self._read_lesson(lesson_id))
        return names + self._terms.get(lesson_id, ())

    async def aclose(self) -> None:
        await self._tasks.close()

    async def _read_lesson(self, lesson_id: UUID) -> None:
        try:
            headings, texts = await self._read_texts(lesson_id)
            self._terms[lesson_id] = await asyncio.to_thread(pick_lesson_terms, headings, texts)
        except db.AWAY:
            logger.warning("terms of a lesson not read: the database is away")
        finally:
            self._reading.discard(lesson_id)

    async def _read_texts(self, lesson_id: UUID) -> tuple[list[str], list[str]]:
        """Headings (titles and objectives), and the texts of the lesson."""
        tenant_id = self._dispatch.tenant_id
        async with db.tenant_tx(self._pool, tenant_id) as conn:
            lesson = await find_lesson(conn, tenant_id, lesson_id)
            if lesson is None:
                return [], []
            course = await find_course(conn, tenant_id, str(lesson.course_id))
            module = await find_module(conn, tenant_id, lesson.course_id, lesson.module_id)
            captions = await find_video_captions(conn, tenant_id, lesson_id)
            passages = await list_passages(conn, tenant_id, lesson_id)
        titles = [part.title for part in (lesson, module, course) if part is not None]
        return [*titles, *lesson.objectives], [captions or "", *(one.body for one in passages)]
