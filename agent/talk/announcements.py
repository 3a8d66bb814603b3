"""The one line a learner hears when their lesson has changed."""

import asyncio
from collections.abc import Awaitable, Callable, Container
from datetime import UTC, datetime
from uuid import UUID

import prompts
from agent.room.lessons import Lessons
from agent.talk.speeches import Speeches
from tools.desk import Desk

ANNOUNCE_AFTER_S = 0.4  # quiet time after a lesson change, so that ten in a row are announced once


class Announcements:
    """Tells each learner their newest lesson, once. `told` is the lesson each was told last."""

    def __init__(
        self,
        lessons: Lessons,
        desk: Desk,
        speeches: Speeches,
        *,
        here: Container[str],
        spawn: Callable[[Awaitable[None]], asyncio.Task[None]],
    ) -> None:
        self.told: dict[str, UUID | None] = {}  # by identity
        self._lessons = lessons
        self._desk = desk
        self._speeches = speeches
        self._here = here
        self._spawn = spawn
        self._waiting: dict[str, asyncio.Task[None]] = {}

    def begin(self, identity: str) -> None:
        """Announces the learner's lesson in a moment, in place of one that still waits."""
        if waiting := self._waiting.pop(identity, None):
            waiting.cancel()
        self._waiting[identity] = self._spawn(self._announce(identity))

    async def _announce(self, identity: str) -> None:
        await asyncio.sleep(ANNOUNCE_AFTER_S)
        self._waiting.pop(identity, None)
        await self._lessons.refresh()  # news of a newer change may have got lost
        if identity in self._waiting:
            return  # the database had one: that is announced in place of this
        learner = self._lessons.get(identity)
        if learner is None or identity not in self._here or learner.lesson_id is None:
            return
        if self.told.get(identity) == learner.lesson_id:
            return
        self.told[identity] = learner.lesson_id
        now = datetime.now(UTC)
        await self._desk.library.record_visit(learner.account_id, learner.lesson_id, now)
        if text := await self._line(learner.lesson_id):
            self._speeches.hush(identity)
            await self._speeches.say(text, learner)

    async def _line(self, lesson_id: UUID) -> str:
        """The one line for a new lesson; empty for one that is not published."""
        outline = await self._desk.library.outline(self._desk.course_id)
        for number, lesson in enumerate(outline, 1):
            if lesson.id == lesson_id:
                return prompts.render("lesson_changed", number=number, title=lesson.title)
        return ""
