"""Speaks as the tutor, to one learner at a time: authored lines, replies, the rate of speech."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Protocol

from livekit.agents import AgentSession, SpeechCreatedEvent

import protocol
from agent.room.learner import Learner, Roster
from agent.talk.turn_taking import TurnTaking
from agent.text.lines import SPEECH, Speech


class Pace(Protocol):
    def set_rate(self, factor: float, /) -> None: ...


class TutorSpeech:
    def __init__(self, roster: Roster, pace: Pace) -> None:
        self._rates: dict[str, float] = {}  # identity -> factor of the normal speed
        self._roster = roster
        self._pace = pace
        self._turn_taking = TurnTaking()
        self._speaking = asyncio.Lock()  # one authored line at a time
        self._agent_session: AgentSession[None]

    def attach_session(self, agent_session: AgentSession[None]) -> None:
        """Sets the agent session that speaks here. Call it once, before anything is said."""
        self._agent_session = agent_session
        agent_session.on("speech_created", self._remember_reply)

    async def say(
        self,
        text: str,
        learner: Learner,
        *,
        may_be_cut: bool = True,
        part_of_talk: bool = True,
        in_reply_to: str | None = None,
    ) -> None:
        """Says authored text to a learner and returns when it was played or interrupted.

        Text that is not part of the conversation is not repeated on request or shown to a
        language model.
        """
        async with self._speaking:
            if part_of_talk:
                learner.last_answer = text
            with _speech_context(Speech(learner.identity, in_reply_to, learner.lesson_id)):
                learner.newest_speech = self._agent_session.say(
                    text, allow_interruptions=may_be_cut, add_to_chat_ctx=part_of_talk
                )
            await learner.newest_speech.wait_for_playout()

    def reply_to_turn(self, learner: Learner, segment_id: str, text: str) -> None:
        """Starts the reply to a typed turn, or to one said while another learner was answered."""
        self._make_way_for(learner)
        with _speech_context(Speech(learner.identity, in_reply_to=segment_id)):
            learner.newest_speech = self._agent_session.generate_reply(user_input=text)

    def _make_way_for(self, learner: Learner) -> None:
        for other in self._roster:
            if self._turn_taking.gives_way(other.identity, to=learner.identity):
                self.interrupt_speech_to(other)

    def interrupt_speech_to(self, learner: Learner) -> None:
        if learner.newest_speech is not None and not learner.newest_speech.done():
            learner.newest_speech.interrupt()

    def stop_speech_to(self, identity: str) -> None:
        """Stops what is said to this learner, and to nobody else."""
        learner = self._roster.get(identity)
        if learner and learner.newest_speech and not learner.newest_speech.done():
            learner.newest_speech.interrupt(force=True)

    async def stop_speaking(self) -> None:
        await self._agent_session.interrupt(force=True)

    def adjust_rate(self, identity: str, wanted: protocol.SpeechSet) -> None:
        """Sets the speed at which this learner is spoken to; others keep theirs."""
        if wanted.rate is not None:
            self._rates[identity] = wanted.rate

    @property
    def rate(self) -> float:
        """The speed for the learner of the running speech, as a factor of the normal one."""
        return self._rates.get(_identity_spoken_to(), 1.0)

    def set_rate(self, factor: float) -> None:
        self._rates[_identity_spoken_to()] = factor

    def apply_rate(self) -> None:
        """Sets the voice to the running speech's learner. Call it before each sentence."""
        self._pace.set_rate(self.rate)

    def _remember_reply(self, event: SpeechCreatedEvent) -> None:
        """Remembers the reply to a spoken turn, so that its learner can cut it by typing."""
        speech = SPEECH.get()
        if speech and speech.identity:
            self._turn_taking.note_speech_to(speech.identity)
        if speech and (learner := self._roster.get(speech.identity)):
            learner.newest_speech = event.speech_handle


def _identity_spoken_to() -> str:
    speech = SPEECH.get()
    return (speech and speech.identity) or ""


@contextlib.contextmanager
def _speech_context(speech: Speech) -> Iterator[None]:
    """Sets SPEECH for all tasks that start in its body, and for their tasks."""
    before = SPEECH.set(speech)
    try:
        yield
    finally:
        SPEECH.reset(before)
