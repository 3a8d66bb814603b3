"""The tutor in a room: its ears are the recogniser, and a final is kept before it counts."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import ModelSettings, llm, stt, tts, utils

from agent.durable.journal import NOT_HEARD, Journal, Utterance
from agent.models.whisper import LATE, MISSED
from agent.room.voice import Hearing
from agent.talk.classroom import Classroom
from agent.talk.tutor import Tutor
from agent.text.lines import Line
from agent.text.speakable import speakable
from courses.sentences import sentence_end, split_sentences


class RoomTutor(Tutor):
    """A Tutor whose turns come from several microphones, each under its own name."""

    def __init__(self, classroom: Classroom, journal: Journal, hearing: Hearing) -> None:
        super().__init__(classroom.desk)
        self._classroom = classroom
        self._journal = journal
        self._hearing = hearing
        self._interim: _Interim | None = None
        self._fed_s = 0.0  # sound that the recogniser got so far, over all its streams
        self._speaking = False  # from the first sound of an utterance until it is kept
        self._span_s = (0.0, 0.0)  # of the last speech, where a recogniser tells no times

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        """Recognises; a final leaves this node only after it was kept."""
        recogniser = self.session.stt
        if recogniser is None:
            raise RuntimeError("a room needs a recogniser")
        zero_s = self._fed_s
        async with recogniser.stream() as stream:
            feeding = asyncio.create_task(self._feed(audio, stream))
            try:
                async for event in stream:
                    if await self._counts(event, zero_s):
                        yield event
            finally:
                await utils.aio.cancel_and_wait(feeding)

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        self._classroom.turns.take(new_message)

    async def heard_out(self) -> None:
        """Returns when all that was handed to the recogniser is recognised and kept."""
        quiet, fed_s = 0, self._fed_s
        while quiet < 3:  # a frame passes some tasks before an utterance begins with it
            await asyncio.sleep(0.02)
            quiet = 0 if self._speaking or self._fed_s > fed_s else quiet + 1
            fed_s = self._fed_s

    def on_line(self, line: Line) -> None:
        self._classroom.tutor_captions.expect(line)

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        """Speaks formulas, code and units as words; captions keep them as they are written."""
        voice = self.session.tts
        if voice is None:
            raise RuntimeError("a room needs a voice")
        async for frame in speech_of(voice, text):
            yield frame

    async def _feed(
        self, audio: AsyncIterable[rtc.AudioFrame], stream: stt.RecognizeStream
    ) -> None:
        async for frame in audio:
            stream.push_frame(frame)
            self._fed_s += frame.duration
        stream.end_input()

    def _follow(self, event: stt.SpeechEvent) -> None:
        if event.type == stt.SpeechEventType.START_OF_SPEECH:
            self._span_s = (self._fed_s, self._fed_s)
            self._speaking = True
        elif event.type == stt.SpeechEventType.END_OF_SPEECH:
            self._span_s = (self._span_s[0], self._fed_s)
            self._speaking = False

    async def _late(self, identity: str) -> bool:
        """Tells who waits for an answer; not after the goodbye, when another agent may speak."""
        if not self._hearing.ended:
            await self._classroom.turns.late(identity)
        return False

    async def _counts(self, event: stt.SpeechEvent, zero_s: float) -> bool:
        """Shows and keeps what was heard; False for words of somebody who is not of this room."""
        self._follow(event)
        if not event.alternatives:
            return True
        best, missed = event.alternatives[0], event.request_id == MISSED
        if not best.text and event.request_id not in (MISSED, LATE):
            return True
        from_s, to_s = self._span_s
        if best.end_time > 0:
            from_s, to_s = zero_s + best.start_time, zero_s + best.end_time
        begun, ended = self._hearing.moment(from_s), self._hearing.moment(to_s)
        if begun is None or ended is None:
            return False
        identity, started_at = begun
        if event.request_id == LATE:
            return await self._late(identity)
        if self._interim is None or self._interim.identity != identity:
            self._interim = _Interim(identity, self._journal.next_id())
        segment_id = self._interim.segment_id
        if event.type == stt.SpeechEventType.INTERIM_TRANSCRIPT:
            self._classroom.captions.learner(identity, segment_id, best.text, final=False)
            return True
        if event.type != stt.SpeechEventType.FINAL_TRANSCRIPT:
            return True
        self._interim = None
        said = Utterance(
            segment_id,
            NOT_HEARD if missed else best.text,
            "voice",
            started_at,
            max(started_at, ended[1]),
            best.language or None,
            best.confidence or None,
        )
        if missed:
            await self._classroom.turns.not_heard(identity, said)
            return False
        return await self._classroom.turns.said(identity, said)


@dataclass(frozen=True)
class _Interim:
    """The utterance under way: its captions and its final carry one segment id."""

    identity: str
    segment_id: str


async def speech_of(voice: tts.TTS[Any], text: AsyncIterable[str]) -> AsyncIterator[rtc.AudioFrame]:
    """The sound of a text that is still written, each sentence as soon as it is complete.

    The framework's own way waits for the sentence after it, and its filters for one more word: the
    first sentence of a slow model would be heard only when the second is written.
    """
    async for sentence in _spoken(text):
        if words := speakable(sentence).strip():
            async with voice.synthesize(words) as stream:
                async for sound in stream:
                    yield sound.frame


async def _spoken(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """The text by whole sentences, so that no formula is cut in two."""
    held = ""
    async for delta in text:
        held += delta
        *complete, held = split_sentences(held)
        if sentence_end(f"{held} ") >= len(held.rstrip()):
            complete, held = [*complete, held], ""
        for sentence in complete:
            yield sentence
    yield held
