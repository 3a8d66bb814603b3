"""Speaks as the tutor, to one learner at a time: authored lines, replies, the rate of speech."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, assert_never

from livekit.agents import AgentSession, SpeechCreatedEvent, llm
from livekit.agents.voice import SpeechHandle

import protocol
from agent.room.learner import Learner, Roster
from agent.room.tasks import Tasks
from agent.talk.conversations import Conversations
from agent.talk.turn_taking import TurnTaking
from agent.text.lines import SPEECH, IfCut, Speech

FEW_WORDS = 12  # a reply that was cut within them is worth saying again


class Pace(Protocol):
    def set_rate(self, factor: float, /) -> None: ...


class TutorSpeech:
    def __init__(
        self, roster: Roster, conversations: Conversations, pace: Pace, *, tasks: Tasks
    ) -> None:
        self._rates: dict[str, float] = {}  # identity -> factor of the normal speed
        self._roster = roster
        self._conversations = conversations
        self._pace = pace
        self._turn_taking = TurnTaking()
        self._tasks = tasks
        self._open_speeches: dict[SpeechHandle, Speech] = {}  # speaking, or waiting to speak
        self._unsaid: list[Speech] = []  # replies that a voice cut at their beginning
        self._speaking = asyncio.Lock()  # one authored line at a time, to anybody
        self._agent_session: AgentSession[None]

    def attach_session(self, agent_session: AgentSession[None]) -> None:
        """Sets the agent session that speaks here. Call it once, before anything is said."""
        self._agent_session = agent_session
        agent_session.on("speech_created", self._register_speech)

    async def say(
        self,
        text: str,
        learner: Learner,
        *,
        may_be_cut: bool = True,
        part_of_talk: bool = True,
        in_reply_to: str | None = None,
        still_due: Callable[[], bool] = lambda: True,
    ) -> None:
        """Says authored text to a learner and returns when it was played or interrupted.

        Text that is not part of the conversation is not repeated on request or shown to a
        language model. `still_due` is asked when it is the text's turn to be said.
        """
        # of each learner one line waits, so that a learner with many does not delay the others
        async with learner.addressing, self._speaking:
            if not still_due():
                return
            if part_of_talk:
                self._conversations.remember_answer(learner, text, in_reply_to)
            turn = [in_reply_to] if in_reply_to else []
            with _speech_context(Speech(learner.identity, turn, lesson_id=learner.lesson_id)):
                learner.newest_speech = self._agent_session.say(
                    text, allow_interruptions=may_be_cut, add_to_chat_ctx=part_of_talk
                )
            await learner.newest_speech.wait_for_playout()

    def start_reply_to_turn(self, learner: Learner, turn: Sequence[str], text: str) -> None:
        """Starts the reply to a typed turn, or to one said while another learner was answered.

        `turn` are the ids of its segments. Does nothing if one of them is erased.
        """
        if self._conversations.is_erased(turn):
            return
        self._make_way_for(learner)
        self._start_reply(learner, turn, text)

    def start_reply_to_question(self, question: Speech) -> None:
        """Starts the reply to a turn said while another learner was answered."""
        if learner := self._roster.get(question.identity):
            self.start_reply_to_turn(learner, question.turn, question.question)

    def take_unsaid_to(self, identity: str) -> Speech | None:
        """The reply to this learner that a voice cut at its beginning. It is not started again."""
        unsaid = [one for one in self._unsaid if one.identity == identity]
        self._unsaid = [one for one in self._unsaid if one.identity != identity]
        return unsaid[-1] if unsaid else None

    def _start_reply(self, learner: Learner, turn: Sequence[str], text: str) -> None:
        message = llm.ChatMessage(role="user", content=[text])
        with _speech_context(Speech(learner.identity, turn, text, message_id=message.id)):
            learner.newest_speech = self._agent_session.generate_reply(user_input=message)

    def restart_unsaid_replies(self) -> None:
        """Starts the replies again that a voice cut at their beginning."""
        unsaid, self._unsaid = self._unsaid, []
        for speech in unsaid:
            learner = self._roster.get(speech.identity)
            if learner and learner.connection:
                self.start_reply_to_turn(learner, speech.turn, speech.question)

    def stop_replies_to_erased(self) -> None:
        """Stops replies to erased turns, even those that have not begun."""
        for handle, speech in self._open_speeches.items():
            if self._conversations.is_erased(speech.turn):
                handle.interrupt(force=True)
        self._tasks.spawn(self._empty_session_contexts())

    def is_speaking_to_others(self, identity: str) -> bool:
        """Whether the tutor is speaking, or about to speak, to somebody else."""
        return any(
            speech.identity not in (None, identity) for speech in self._open_speeches.values()
        )

    def _make_way_for(self, learner: Learner) -> None:
        for other in self._roster:
            if self._turn_taking.gives_way(other.identity, to=learner.identity):
                self._cut_speech_to(other, "now")

    def interrupt_speech_to(self, learner: Learner) -> None:
        """Interrupts what is being or will be said to this learner, and to nobody else."""
        self._cut_speech_to(learner, "never")

    def _cut_speech_to(self, learner: Learner, if_cut: IfCut) -> None:
        for handle, speech in list(self._open_speeches.items()):
            if speech.identity == learner.identity and handle.allow_interruptions:
                speech.if_cut = if_cut
                handle.interrupt()

    def stop_speech_to(self, identity: str) -> None:
        for handle, speech in list(self._open_speeches.items()):
            if speech.identity == identity:
                speech.if_cut = "never"
                handle.interrupt(force=True)

    async def stop_speaking(self) -> None:
        for speech in self._open_speeches.values():
            speech.if_cut = "never"
        await self._agent_session.interrupt(force=True)

    def set_rate_of_learner(self, identity: str, wanted: protocol.SpeechSet) -> None:
        if wanted.rate is not None:
            self._rates[identity] = wanted.rate

    @property
    def rate_for_listener(self) -> float:
        """The speed for the learner of the running speech, as a factor of the normal one."""
        return self._rates.get(_identity_spoken_to(), 1.0)

    def set_rate_for_listener(self, factor: float) -> None:
        self._rates[_identity_spoken_to()] = factor

    def apply_rate_to_voice(self) -> None:
        """Sets the voice to the running speech's learner. Call it before each sentence."""
        self._pace.set_rate(self.rate_for_listener)

    def _register_speech(self, event: SpeechCreatedEvent) -> None:
        """Remembers the reply to a spoken turn, so that its learner can cut it by typing."""
        speech, handle = SPEECH.get(), event.speech_handle
        if speech is None:
            return
        if speech.identity:
            self._turn_taking.note_speech_to(speech.identity)
        speech.items = handle.chat_items
        self._open_speeches[handle] = speech
        handle.add_done_callback(self._on_speech_done)
        if learner := self._roster.get(speech.identity):
            learner.newest_speech = handle

    def _on_speech_done(self, handle: SpeechHandle) -> None:
        speech = self._open_speeches.pop(handle, None)
        if speech and speech.question and handle.interrupted and _has_said_little(speech):
            self._say_again(speech)
        self._tasks.spawn(self._empty_session_contexts())

    def _say_again(self, speech: Speech) -> None:
        match speech.if_cut:
            case "later":
                self._unsaid.append(speech)
            case "now":
                if learner := self._roster.get(speech.identity):
                    self._start_reply(learner, speech.turn, speech.question)
            case "never":
                pass
            case _:
                assert_never(speech.if_cut)

    async def _empty_session_contexts(self) -> None:
        """Empties livekit-agents' own contexts, which hold what all learners said together."""
        self._agent_session.history.items.clear()
        await self._agent_session.current_agent.update_chat_ctx(llm.ChatContext.empty())


def _has_said_little(speech: Speech) -> bool:
    """False also if a tool has acted, because it would act again."""
    texts = [one.text_content or "" for one in speech.items if one.type == "message"]
    return len(texts) == len(speech.items) and len(" ".join(texts).split()) <= FEW_WORDS


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
