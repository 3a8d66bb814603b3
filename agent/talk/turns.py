"""The learners' turns, spoken and typed: each kept before it is shown or answered."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from livekit.agents import llm

import prompts
from agent.durable.journal import Journal, Utterance
from agent.room.captions import Captions
from agent.room.events import RefusedError, Typed
from agent.room.lessons import Lessons
from agent.talk.speeches import Speeches
from agent.text.lines import SPEECH, Speech


class Turns:
    """What the learners of a room say, and in which order they are answered."""

    def __init__(
        self,
        lessons: Lessons,
        journal: Journal,
        captions: Captions,
        speeches: Speeches,
        spawn: Callable[[Awaitable[None]], asyncio.Task[None]],
    ) -> None:
        self._lessons = lessons
        self._journal = journal
        self._captions = captions
        self._speeches = speeches
        self._spawn = spawn
        self._unanswered: list[tuple[str, str, str]] = []  # identity, segment, text

    async def said(self, identity: str, said: Utterance) -> bool:
        """A final of the recogniser: kept first, then shown. False where it is not to count."""
        try:
            learner = await self._lessons.find(identity)
        except RefusedError:
            return False
        await self._journal.learner_said(learner, said)
        self._captions.learner(identity, said.segment_id, said.text, final=True)
        self._unanswered.append((identity, said.segment_id, said.text))
        return True

    async def not_heard(self, identity: str, gap: Utterance) -> None:
        """Something was said that nobody could recognise: marked, and the learner is told."""
        try:
            learner = await self._lessons.find(identity)
        except RefusedError:
            return
        await self._journal.learner_said(learner, gap)
        self._captions.learner(identity, gap.segment_id, gap.text, final=True)
        line = prompts.render("not_heard")
        self._spawn(self._speeches.say(line, learner, in_reply_to=gap.segment_id))

    async def late(self, identity: str) -> None:
        """What was said is not recognised yet: nobody waits in silence."""
        with contextlib.suppress(RefusedError):
            learner = await self._lessons.find(identity)
            line = prompts.render("one_moment")
            self._spawn(self._speeches.say(line, learner, part_of_talk=False))

    async def typed(self, typed: Typed) -> None:
        """Cuts what this learner hears, and answers."""
        try:
            learner = await self._lessons.find(typed.identity)
        except RefusedError:
            return
        now = datetime.now(UTC).timestamp()
        await self._journal.learner_said(learner, Utterance(typed.id, typed.text, "text", now, now))
        self._speeches.hush(typed.identity)
        self._speeches.answer(typed.identity, typed.id, typed.text)

    def take(self, message: llm.ChatMessage) -> None:
        """Tells this turn's reply whom it answers; what a second learner said comes after it."""
        said, self._unanswered = self._unanswered, []
        if not said:
            return
        first = said[0][0]
        mine = [entry for entry in said if entry[0] == first]
        SPEECH.set(Speech(first, in_reply_to=mine[-1][1]))
        others = [entry for entry in said if entry[0] != first]
        if others:
            message.content = [" ".join(text for _, _, text in mine)]
            for entry in others:
                asyncio.get_running_loop().call_soon(self._speeches.answer, *entry)
