"""The learners' turns, spoken and typed: each is stored before it is shown or answered."""

import asyncio
import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from livekit.agents import StopResponse, llm

import prompts
from agent.durable.journal import Utterance
from agent.room.captions import Captions
from agent.room.learner import Learner
from agent.room.lessons import Lessons, RefusedError
from agent.room.rates import Rates
from agent.room.tasks import Tasks
from agent.room.typed_turns import TypedTurn
from agent.talk.conversations import Conversations
from agent.talk.tutor_speech import TutorSpeech
from agent.text.lines import SPEECH, Speech
from agent.text.turn_end import continues_turn, ending_of


class Turn(NamedTuple):
    learner: Learner
    segment_id: str
    text: str
    started_at: float = 0.0  # epoch seconds
    ended_at: float = 0.0


class Turns:
    def __init__(
        self,
        lessons: Lessons,
        conversations: Conversations,
        captions: Captions,
        tutor_speech: TutorSpeech,
        *,
        rates: Rates,
        tasks: Tasks,
    ) -> None:
        self._lessons = lessons
        self._conversations = conversations
        self._captions = captions
        self._tutor_speech = tutor_speech
        self._rates = rates
        self._tasks = tasks
        self._unanswered: list[Turn] = []

    async def store_and_show_final(self, identity: str, said: Utterance) -> Turn | None:
        """Stores and shows a final. Returns None if it must not be answered."""
        learner = await self._store_and_show(identity, said)
        if learner is None:
            return None
        return Turn(learner, said.segment_id, said.text, said.started_at, said.ended_at)

    async def store_and_show_unanswered(self, identity: str, said: Utterance) -> None:
        """Stores and shows what was said while others had the floor. It gets no answer."""
        await self._store_and_show(identity, said)

    async def store_and_answer_later(self, identity: str, said: Utterance) -> None:
        """Stores and shows a final, and answers it after the turns that are being answered."""
        learner = await self._store_and_show(identity, said)
        if learner is not None:
            self._tutor_speech.interrupt_speech_to(learner)
            self._tutor_speech.start_reply_to_turn(learner, [said.segment_id], said.text)

    async def store_gap_and_say_so(self, identity: str, gap: Utterance, line: str) -> None:
        """Stores a gap for speech that could not be recognised, and says so, but not too often."""
        learner = await self._store_and_show(identity, gap)
        if learner is not None and self._rates.allow(identity, "apology"):
            self._tasks.spawn(self._tutor_speech.say(line, learner, in_reply_to=gap.segment_id))

    async def ask_to_wait(self, identity: str) -> None:
        if not self._rates.allow(identity, "apology"):
            return
        with contextlib.suppress(RefusedError):
            learner = await self._lessons.find_or_read_sender(identity)
            line = prompts.render("one_moment")
            self._tasks.spawn(self._tutor_speech.say(line, learner, part_of_talk=False))

    async def answer_typed_turn(self, typed: TypedTurn) -> None:
        """Interrupts what this learner hears, and answers."""
        try:
            learner = await self._lessons.find_or_read_sender(typed.identity)
        except RefusedError:
            return
        now = datetime.now(UTC).timestamp()
        said = Utterance(typed.id, typed.text, "text", now, now)
        if await self._conversations.record_utterance(learner, said):
            self._tutor_speech.interrupt_speech_to(learner)
            self._tutor_speech.start_reply_to_turn(learner, [typed.id], typed.text)

    def queue_turns(self, turns: Iterable[Turn]) -> None:
        """Queues turns for `bind_reply`. Their text is on its way to the agent session."""
        self._unanswered += turns

    def bind_reply(self, message: llm.ChatMessage) -> None:
        """Binds the next reply to the first speaker; queues the answers to the others.

        Before it come the answers to others that these speakers cut before the first word.
        Raises StopResponse if everything that was said has been erased since.
        """
        waiting, self._unanswered = self._unanswered, []
        turns = [one for one in waiting if not self._conversations.is_erased([one.segment_id])]
        questions = [self._question_of(own) for own in _group_by_learner(turns)]
        self._tutor_speech.restart_unsaid_replies()
        if not turns:
            raise StopResponse
        first, *others = questions
        message.content = [first.question]
        first.message_id = message.id
        SPEECH.set(first)
        for other in others:
            asyncio.get_running_loop().call_soon(self._tutor_speech.start_reply_to_question, other)

    def _question_of(self, own: list[Turn]) -> Speech:
        """What a learner has said, with the turn before if the tutor answered that too early."""
        learner, text = own[0].learner, " ".join(turn.text for turn in own)
        ids = [turn.segment_id for turn in own]
        cut = self._tutor_speech.take_unsaid_to(learner.identity)
        if cut and cut.asked_until and not self._conversations.is_erased(cut.turn):
            pause_s = own[0].started_at - cut.asked_until
            if continues_turn(cut.question, text, pause_s):
                learner.pauses.note_pause(pause_s, after=ending_of(cut.question))
                ids, text = [*cut.turn, *ids], f"{cut.question} {text}"
        return Speech(learner.identity, ids, text, own[-1].ended_at)

    async def _store_and_show(self, identity: str, said: Utterance) -> Learner | None:
        """Stores what was said, then shows it. None if the speaker is not here or has erased it."""
        try:
            learner = await self._lessons.find_or_read_sender(identity)
        except RefusedError:
            return None
        if not await self._conversations.record_utterance(learner, said):
            return None
        self.show_utterance(identity, said.segment_id, said.text, said.ended_at, final=True)
        return learner

    def show_utterance(
        self, identity: str, segment_id: str, text: str, ended_at: float, *, final: bool
    ) -> None:
        to = [learner.identity for learner in self._conversations.list_listeners(ended_at)]
        self._captions.show_utterance(identity, segment_id, text, final=final, to=to)


def _group_by_learner(turns: Iterable[Turn]) -> list[list[Turn]]:
    """One list per learner, in the order in which they first spoke."""
    found: dict[str, list[Turn]] = {}
    for turn in turns:
        found.setdefault(turn.learner.identity, []).append(turn)
    return list(found.values())
