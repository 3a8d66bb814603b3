"""The tutor in a room: its input from the learners' voices, and its own voice."""

import contextlib
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, assert_never

from livekit import rtc
from livekit.agents import ModelSettings, llm, stt
from livekit.agents.language import LanguageCode

import prompts
from agent.durable.journal import NOT_HEARD, Utterance
from agent.room.participant_voice import HeardUtterance
from agent.room.voice_timeline import resample_marked
from agent.talk.classroom import Classroom
from agent.talk.floor import Floor
from agent.talk.open_turns import OpenTurn, OpenTurns, with_timeouts
from agent.talk.speaking import synthesise_sentences
from agent.talk.turns import Turn
from agent.talk.tutor import Tutor
from agent.text.lines import SPEECH, Line, Speech
from agent.text.turn_end import ending_of

SHOWN_WAIT_S = 1.0  # shorter waits are not shown to the learner

logger = logging.getLogger("bodh.tutor")


class RoomTutor(Tutor):
    def __init__(
        self,
        classroom: Classroom,
        floor: Floor,
        *,
        wait_for_captions: Callable[[], Awaitable[None]],
        playing_time: Callable[[], float] = time.monotonic,
        prepares: bool = True,
    ) -> None:
        """`wait_for_captions` returns when all words said before have reached the captions.

        `playing_time` is a clock that stands still while the voice is held.

        `prepares`: whether to ask the language model before a turn is over.
        """
        super().__init__(classroom.desk)
        self._classroom = classroom
        self._floor = floor
        self._wait_for_captions = wait_for_captions
        self._playing_time = playing_time
        self._prepares = prepares

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        """Yields each turn when it is over, as one final. Its utterances are stored before.

        `audio` is empty: every learner has their own voice. Turns that end while somebody still
        speaks are merged with theirs, so that one answer does not cut off another.
        """
        floor, open_turns = self._floor, OpenTurns(self._classroom.conversations)

        def seconds_left() -> float | None:
            return open_turns.seconds_left() if floor.is_quiet else None

        async for heard in with_timeouts(floor.utterances(), seconds_left):
            if heard:
                with log_errors("utterance"):
                    await self._handle_and_add(heard, open_turns)
            final: stt.SpeechEvent | None = None
            if floor.is_quiet:
                with log_errors("turn"):
                    final = self._queue_turns_that_are_over(open_turns)
            if final:
                yield final

    async def _handle_and_add(self, heard: HeardUtterance, open_turns: OpenTurns) -> None:
        """Shows and stores an utterance, and adds it to its turn if it needs an answer."""
        if turn := await self._handle_utterance(heard):
            own = open_turns.add(heard, turn)
            self._prepare_answer(own)
            self._show_wait(own)

    def _queue_turns_that_are_over(self, open_turns: OpenTurns) -> stt.SpeechEvent | None:
        """The final of the turns that are over, if there are any."""
        said = [one for own in open_turns.take_over() for one in own.said]
        self._classroom.turns.queue_turns(turn for _, turn in said)
        return _merge_finals([heard for heard, _ in said]) if said else None

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        self._classroom.turns.bind_reply(new_message)

    def _show_wait(self, own: OpenTurn) -> None:
        seconds = own.seconds_left(time.time())
        if seconds >= SHOWN_WAIT_S:
            self._classroom.captions.show_wait(own.learner.identity, seconds)

    def _prepare_answer(self, own: OpenTurn) -> None:
        """Begins the answer to an open turn, unless its sentence is plainly not complete."""
        if not self._prepares or ending_of(own.text) == "unfinished":
            return
        message = llm.ChatMessage(role="user", content=[own.text])
        speech = Speech(own.learner.identity, own.segment_ids, own.text, message_id=message.id)
        chat_ctx = llm.ChatContext([*self.chat_ctx.items, message])
        self._classroom.prepared_answers.prepare(
            own.learner,
            speech,
            self._classroom.conversations.chat_context(speech, chat_ctx),
            lambda context: Tutor.model_replies(
                self, context, llm.ToolContext(self.tools).flatten(), ModelSettings()
            ),
        )

    def model_replies(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        """The answer that was prepared for this turn, or a new one."""
        speech, prepared = SPEECH.get(), None
        if speech and (learner := self._classroom.roster.get(speech.identity)):
            prepared = self._classroom.prepared_answers.take(learner, speech, chat_ctx)
        return prepared or super().model_replies(chat_ctx, tools, model_settings)

    async def on_line_begun(self, line: Line) -> None:
        await self._wait_for_captions()
        self._classroom.tutor_captions.begin_line(line)

    def own_chat_context(self, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        return self._classroom.conversations.chat_context(SPEECH.get(), chat_ctx)

    def remember_answer(self, answer: str) -> None:
        speech = SPEECH.get()
        if speech and (learner := self._classroom.roster.get(speech.identity)):
            self._classroom.conversations.remember_answer(learner, answer, speech.in_reply_to)

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        """Speaks formulas, code and units as words; captions show them as written."""
        voice, output = self.session.tts, self.session.output.audio
        if voice is None:
            raise RuntimeError("the agent session has no voice")
        prepare = self._classroom.tutor_speech.apply_rate_to_voice
        rate = (output and output.sample_rate) or voice.sample_rate
        sound = synthesise_sentences(voice, text, prepare, clock=self._playing_time)
        async for frame in resample_marked(sound, rate):
            yield frame

    async def _handle_utterance(self, heard: HeardUtterance) -> Turn | None:
        turns, identity = self._classroom.turns, heard.identity
        match heard.kind:
            case "interim":
                turns.show_utterance(
                    identity, heard.segment_id, heard.text, heard.ended_at, final=False
                )
            case "late":
                await turns.ask_to_wait(identity)
            case "missed" if heard.place in ("aside", "backchannel"):
                await turns.store_and_show_unanswered(
                    identity, _utterance_for_journal(heard, NOT_HEARD)
                )
            case "missed":
                line = prompts.render("other_language" if heard.language else "not_heard")
                gap = _utterance_for_journal(heard, NOT_HEARD)
                await turns.store_gap_and_say_so(identity, gap, line)
            case "final":
                return await self._store_final_by_place(heard) if heard.text else None
            case _:
                assert_never(heard.kind)
        return None

    async def _store_final_by_place(self, heard: HeardUtterance) -> Turn | None:
        """Returns the turn if the agent session must answer it."""
        turns, said = self._classroom.turns, _utterance_for_journal(heard, heard.text)
        match heard.place:
            case "floor":
                return await turns.store_and_show_final(heard.identity, said)
            case "queue":
                await turns.store_and_answer_later(heard.identity, said)
            case "backchannel" | "aside":
                await turns.store_and_show_unanswered(heard.identity, said)
            case _:
                assert_never(heard.place)
        return None


@contextlib.contextmanager
def log_errors(kind: str) -> Iterator[None]:
    """Logs any error in its body: the agent session would not hear anything after it."""
    try:
        yield
    except Exception:
        logger.exception("something that was said was lost", extra={"kind": kind})


def _utterance_for_journal(heard: HeardUtterance, text: str) -> Utterance:
    return Utterance(
        heard.segment_id,
        text,
        "voice",
        heard.started_at,
        heard.ended_at,
        heard.language,
        heard.confidence,
    )


def _merge_finals(said: list[HeardUtterance]) -> stt.SpeechEvent:
    """One final for the agent session; `turns` knows who said what."""
    last = said[-1]
    text = stt.SpeechData(
        language=LanguageCode(last.language or ""),
        text=" ".join(heard.text for heard in said),
        confidence=last.confidence or 0.0,
    )
    return stt.SpeechEvent(
        stt.SpeechEventType.FINAL_TRANSCRIPT,
        request_id=last.segment_id,
        alternatives=[text],
        speech_end_time=last.ended_at,
    )
