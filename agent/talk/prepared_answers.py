"""Answers that are generated while a turn may still go on. None is spoken before its turn is over.

A prepared answer leaves no trace if its turn goes on: nothing of it is stored, shown, remembered or
spoken, and its tools are not called.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from livekit.agents import llm, utils

from agent.room.learner import Learner
from agent.text.lines import SPEECH, Speech
from tools.desk import Asker, Place

Generate = Callable[[llm.ChatContext], AsyncIterator[Any]]
MOST_UTTERANCES = 5  # the answer to a turn of more is not prepared: it may never end


@dataclass
class _PreparedAnswer:
    speech: Speech
    lesson_id: UUID | None
    place: Place | None  # of the learner, when it began
    context: list[tuple[str, str]]
    chunks: "utils.aio.Chan[Any]"
    task: "asyncio.Task[None]"


class PreparedAnswers:
    def __init__(self) -> None:
        self._of: dict[str, _PreparedAnswer] = {}  # by identity of the learner

    def prepare(
        self, learner: Learner, speech: Speech, context: llm.ChatContext, generate: Generate
    ) -> None:
        """Begins the answer to what the learner has said in a turn so far, instead of the last one.

        `context` is the whole context of the answer.
        """
        self.drop(learner.identity)
        if len(speech.turn) > MOST_UTTERANCES:
            return
        speech.asker = Asker(
            account_id=learner.account_id,
            name=learner.name,
            lesson_id=learner.lesson_id,
            last_answer=learner.last_answer,
            place=learner.place,
        )
        chunks: utils.aio.Chan[Any] = utils.aio.Chan()
        task = asyncio.create_task(
            _generate_in_advance(speech, generate(context), chunks), name="prepared answer"
        )
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._of[learner.identity] = _PreparedAnswer(
            speech, learner.lesson_id, learner.place, _words(context), chunks, task
        )

    def take(
        self, learner: Learner, speech: Speech, context: llm.ChatContext
    ) -> AsyncIterator[Any] | None:
        """The answer that was prepared for exactly this turn, lesson and context.

        Drops one that was prepared for another.
        """
        prepared = self._of.pop(learner.identity, None)
        if prepared is None:
            return None
        if (
            list(prepared.speech.turn) != list(speech.turn)
            or prepared.lesson_id != learner.lesson_id
            or prepared.context != _words(context)
        ):
            prepared.task.cancel()
            return None
        return _take_over(prepared, learner)

    def drop_all(self) -> None:
        for identity in [*self._of]:
            self.drop(identity)

    def drop(self, identity: str) -> None:
        if prepared := self._of.pop(identity, None):
            prepared.task.cancel()


async def _generate_in_advance(
    speech: Speech, replies: AsyncIterator[Any], chunks: "utils.aio.Chan[Any]"
) -> None:
    SPEECH.set(speech)
    try:
        async for chunk in replies:
            chunks.send_nowait(chunk)
    finally:
        chunks.close()


async def _take_over(prepared: _PreparedAnswer, learner: Learner) -> AsyncIterator[Any]:
    """The chunks of a prepared answer. What it changed about its asker takes effect now."""
    asker, prepared.speech.asker = prepared.speech.asker, None
    if asker is not None and asker.place is not prepared.place:
        learner.place = asker.place
    try:
        async for chunk in prepared.chunks:
            yield chunk
        await prepared.task
    finally:
        await utils.aio.cancel_and_wait(prepared.task)


def _words(context: llm.ChatContext) -> list[tuple[str, str]]:
    """The context by its words: two messages with the same words have different ids."""
    return [
        (item.role, item.text_content or "") if item.type == "message" else (item.type, item.id)
        for item in context.items
    ]
