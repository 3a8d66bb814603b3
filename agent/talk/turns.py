"""The learners' turns, spoken and typed: each is stored before it is shown or answered."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import NamedTuple

from livekit.agents import llm

import prompts
from agent.durable.journal import Journal, Utterance
from agent.room.captions import Captions
from agent.room.learner import Learner
from agent.room.lessons import Lessons, RefusedError
from agent.room.tasks import Tasks
from agent.room.typed_turns import Typed
from agent.talk.tutor_speech import TutorSpeech
from agent.text.lines import SPEECH, Speech


class _UnansweredTurn(NamedTuple):
    learner: Learner
    segment_id: str
    text: str


class Turns:
    def __init__(
        self,
        lessons: Lessons,
        journal: Journal,
        captions: Captions,
        tutor_speech: TutorSpeech,
        *,
        tasks: Tasks,
    ) -> None:
        self._lessons = lessons
        self._journal = journal
        self._captions = captions
        self._tutor_speech = tutor_speech
        self._tasks = tasks
        self._unanswered: list[_UnansweredTurn] = []

    async def record_final(self, identity: str, said: Utterance) -> bool:
        """Stores and shows a final. Returns False if the speaker is not in the room."""
        learner = await self._store_and_show(identity, said)
        if learner is None:
            return False
        self._unanswered.append(_UnansweredTurn(learner, said.segment_id, said.text))
        return True

    async def record_unanswered(self, identity: str, said: Utterance) -> None:
        """Stores and shows what was said while others had the floor. It gets no answer."""
        await self._store_and_show(identity, said)

    async def answer_later(self, identity: str, said: Utterance) -> None:
        """Stores and shows a final, and answers it after the turns that are being answered."""
        learner = await self._store_and_show(identity, said)
        if learner is not None:
            self._tutor_speech.reply_to_turn(learner, said.segment_id, said.text)

    async def record_gap(self, identity: str, gap: Utterance) -> None:
        learner = await self._store_and_show(identity, gap)
        if learner is not None:
            line = prompts.render("not_heard")
            self._tasks.spawn(self._tutor_speech.say(line, learner, in_reply_to=gap.segment_id))

    async def ask_to_wait(self, identity: str) -> None:
        with contextlib.suppress(RefusedError):
            learner = await self._lessons.find_sender(identity)
            line = prompts.render("one_moment")
            self._tasks.spawn(self._tutor_speech.say(line, learner, part_of_talk=False))

    async def answer_typed_turn(self, typed: Typed) -> None:
        try:
            learner = await self._lessons.find_sender(typed.identity)
        except RefusedError:
            return
        now = datetime.now(UTC).timestamp()
        await self._journal.record_utterance(
            learner, Utterance(typed.id, typed.text, "text", now, now)
        )
        self._tutor_speech.interrupt_speech_to(learner)
        self._tutor_speech.reply_to_turn(learner, typed.id, typed.text)

    def bind_reply(self, message: llm.ChatMessage) -> None:
        """Binds the next reply to the first speaker; queues the answers to the others."""
        turns, self._unanswered = self._unanswered, []
        if not turns:
            return
        first = turns[0].learner
        own = [turn for turn in turns if turn.learner is first]
        SPEECH.set(Speech(first.identity, in_reply_to=own[-1].segment_id))
        if len(own) < len(turns):
            message.content = [" ".join(turn.text for turn in own)]
        for turn in turns:
            if turn.learner is not first:
                asyncio.get_running_loop().call_soon(self._tutor_speech.reply_to_turn, *turn)

    async def _store_and_show(self, identity: str, said: Utterance) -> Learner | None:
        """Stores what was said, then shows it. None if the speaker is not in this room."""
        try:
            learner = await self._lessons.find_sender(identity)
        except RefusedError:
            return None
        await self._journal.record_utterance(learner, said)
        self._captions.show_utterance(identity, said.segment_id, said.text, final=True)
        return learner
