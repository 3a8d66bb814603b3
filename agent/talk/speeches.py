"""What is said to each learner: authored lines and replies, cut for whom they are meant."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial

from livekit.agents import AgentSession, SpeechCreatedEvent
from livekit.agents.voice import SpeechHandle

import protocol
from agent.room.learner import LearnerLesson
from agent.text.lines import SPEECH, Speech
from tools.desk import Desk


class Speeches:
    """All that the agent session of a room is made to say, and how fast."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._said_to: dict[str, SpeechHandle] = {}  # what each learner hears last
        self._speaking_turn = asyncio.Lock()  # one greeting or announcement at a time
        self._agent_session: AgentSession[None]

    def attach(self, agent_session: AgentSession[None]) -> None:
        """The agent session that speaks here; called once before anything is said."""
        self._agent_session = agent_session
        agent_session.on("speech_created", self._on_speech)

    async def say(
        self,
        text: str,
        learner: LearnerLesson,
        *,
        may_be_cut: bool = True,
        part_of_talk: bool = True,
        in_reply_to: str | None = None,
    ) -> None:
        """Says authored text to a learner and returns when it was played or cut.

        What is no part of the talk is neither repeated nor told to a language model.
        """
        async with self._speaking_turn:
            if part_of_talk:
                self._desk.last_answer = text
            speech = Speech(learner.identity, in_reply_to, learner.lesson_id)
            say = partial(
                self._agent_session.say,
                text,
                allow_interruptions=may_be_cut,
                add_to_chat_ctx=part_of_talk,
            )
            handle = _in_context(speech, say)
            self._said_to[learner.identity] = handle
            await handle.wait_for_playout()

    def answer(self, identity: str, segment_id: str, text: str) -> None:
        """Begins the reply to what a learner typed, or said before it could be answered."""
        speech = Speech(identity, in_reply_to=segment_id)
        reply = partial(self._agent_session.generate_reply, user_input=text)
        self._said_to[identity] = _in_context(speech, reply)

    def hush(self, identity: str) -> None:
        """Ends what is being said to this learner; others are heard out."""
        handle = self._said_to.get(identity)
        if handle is not None and not handle.done():
            handle.interrupt()

    async def stop(self) -> None:
        """Ends whatever is being said, to whomever."""
        await self._agent_session.interrupt(force=True)

    async def adjust(self, wanted: protocol.SpeechSet) -> None:
        if wanted.rate is not None:
            self._desk.rate = wanted.rate
            self._desk.set_rate(wanted.rate)

    def _on_speech(self, event: SpeechCreatedEvent) -> None:
        """A reply to a spoken turn begins; its learner may cut it by typing."""
        speech = SPEECH.get()
        if speech and speech.identity:
            self._said_to[speech.identity] = event.speech_handle


def _in_context(speech: Speech, begin: Callable[[], SpeechHandle]) -> SpeechHandle:
    """Begins a speech whose tasks all see whom it is said to."""
    context = contextvars.copy_context()
    context.run(SPEECH.set, speech)
    return context.run(begin)
