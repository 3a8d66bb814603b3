"""Lesson changes that participants ask the agent for: the newest counts, at a limited rate."""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from livekit import rtc

import protocol
from agent.room import publish
from agent.room.lessons import Lessons, RefusedError
from agent.room.limits import Limits
from agent.room.tasks import Tasks

logger = logging.getLogger(__name__)


class ReplacedError(Exception):
    """The sender has asked for another lesson since. The message is for the sender."""


@dataclass(frozen=True)
class _Wish:
    payload: str | bytes
    answer: asyncio.Future[protocol.LessonHeld] | None = None  # of a remote call

    def fail(self, error: Exception) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)


class Wishes:
    """Grants each sender one wish at a time; a newer wish replaces one that still waits."""

    def __init__(self, room: rtc.Room, limits: Limits, tasks: Tasks) -> None:
        self._room = room
        self._limits = limits
        self._tasks = tasks
        self._lessons: Lessons | None = None
        self._ready = asyncio.Event()
        self._waiting: dict[str, _Wish] = {}
        self._granting: set[str] = set()  # senders

    def start_granting(self, lessons: Lessons) -> None:
        self._lessons = lessons
        self._ready.set()

    def queue_message(self, sender: str, payload: bytes) -> None:
        """Takes a data message. If the wish is refused, its sender gets a message back."""
        self._queue_wish(sender, _Wish(payload))

    async def ask_and_wait(self, sender: str, payload: str) -> protocol.LessonHeld:
        """The lesson after a remote call. Raises ProtocolError, RefusedError or ReplacedError."""
        answer: asyncio.Future[protocol.LessonHeld] = asyncio.get_running_loop().create_future()
        self._queue_wish(sender, _Wish(payload, answer))
        return await answer

    def _queue_wish(self, sender: str, wish: _Wish) -> None:
        replaced, self._waiting[sender] = self._waiting.get(sender), wish
        if replaced is not None:
            replaced.fail(ReplacedError("you have asked for another lesson since"))
        if sender not in self._granting:
            self._granting.add(sender)
            granting = self._tasks.spawn(self._grant_wishes(sender))
            granting.add_done_callback(partial(self._end_granting, sender))

    async def _grant_wishes(self, sender: str) -> None:
        await self._ready.wait()
        while sender in self._waiting:
            await asyncio.sleep(self._limits.rates.reserve(sender, "lesson"))
            await self._grant_wish(sender, self._waiting.pop(sender))

    def _end_granting(self, sender: str, granting: asyncio.Task[None]) -> None:
        self._granting.discard(sender)
        if (left := self._waiting.pop(sender, None)) is None:
            return
        if granting.cancelled():
            left.fail(RefusedError("the tutor has left"))
        else:  # it came after the last one was granted, and before this callback
            self._queue_wish(sender, left)

    async def _grant_wish(self, sender: str, wish: _Wish) -> None:
        try:
            change = protocol.parse_lesson_change(wish.payload)
        except protocol.ProtocolError as error:
            logger.info("lesson change not understood", extra={"count": len(wish.payload)})
            wish.fail(error)
            return
        try:
            held = await self._change_lesson(sender, change)
        except RefusedError as error:
            await self._refuse_wish(sender, wish, change, error)
        else:
            if wish.answer is not None and not wish.answer.done():
                wish.answer.set_result(held)

    async def _change_lesson(
        self, sender: str, change: protocol.LessonChange
    ) -> protocol.LessonHeld:
        assert self._lessons is not None  # noqa: S101 `start_granting` was called
        try:
            revision = await self._lessons.handle_lesson_change(sender, change)
        except RefusedError:
            raise
        except Exception as error:
            logger.exception("lesson change failed")
            raise RefusedError("the lesson cannot be changed right now") from error
        return protocol.LessonHeld(lesson_id=change.lesson_id, revision=revision)

    async def _refuse_wish(
        self, sender: str, wish: _Wish, change: protocol.LessonChange, error: RefusedError
    ) -> None:
        wish.fail(error)
        if wish.answer is None:
            refused = protocol.LessonRefused(lesson_id=change.lesson_id, error=str(error))
            await publish.send_message(
                self._room, protocol.TOPIC_LESSON_CHANGE, refused, to=[sender]
            )
