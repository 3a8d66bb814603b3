"""Announces each learner's newest lesson, once."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import prompts
from agent.room.learner import Learner
from agent.room.lessons import Lessons
from agent.room.tasks import Tasks
from agent.talk.tutor_speech import TutorSpeech
from courses.library import Library

ANNOUNCE_AFTER_S = 0.4  # without another change, so that ten in a row are announced once


class Announcements:
    def __init__(
        self,
        library: Library,
        course_id: UUID,
        lessons: Lessons,
        tutor_speech: TutorSpeech,
        *,
        tasks: Tasks,
    ) -> None:
        self._library = library
        self._course_id = course_id
        self._lessons = lessons
        self._tutor_speech = tutor_speech
        self._tasks = tasks

    async def announce_moves(self) -> None:
        while True:
            learner = await self._lessons.moves.get()
            if learner.announcement is not None:
                learner.announcement.cancel()
            learner.announcement = self._tasks.spawn(self._announce_lesson(learner))

    async def mark_announced_and_record_visit(self, learner: Learner) -> None:
        """Marks the learner's lesson as announced, and records the visit.

        For callers that mention the lesson themselves: no announcement follows.
        """
        learner.announced_lesson_id = learner.lesson_id
        if learner.lesson_id is not None:
            now = datetime.now(UTC)
            await self._library.record_visit(learner.account_id, learner.lesson_id, now)

    async def _announce_lesson(self, learner: Learner) -> None:
        await asyncio.sleep(ANNOUNCE_AFTER_S)
        learner.announcement = None  # from here on, a later change does not cancel it
        lesson_id = learner.lesson_id
        await self._lessons.sync_with_database()  # the news of a later change may be lost
        async with learner.changing:
            if learner.lesson_id != lesson_id or lesson_id == learner.announced_lesson_id:
                return  # a later change is announced instead, or they know this one already
            if lesson_id is None or learner.connection is None:
                return
            await self.mark_announced_and_record_visit(learner)
        if text := await self._announcement_text(lesson_id):
            self._tutor_speech.interrupt_speech_to(learner)
            await self._tutor_speech.say(
                text, learner, still_due=lambda: learner.lesson_id == lesson_id
            )

    async def _announcement_text(self, lesson_id: UUID) -> str:
        """The announcement; empty if the lesson is not published."""
        outline = await self._library.list_outline(self._course_id)
        for number, lesson in enumerate(outline, 1):
            if lesson.id == lesson_id:
                return prompts.render("lesson_changed", number=number, title=lesson.title)
        return ""
