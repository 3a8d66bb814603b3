"""The tutor in a room: its ears are the recogniser, and a final is kept before it counts."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from livekit import rtc
from livekit.agents import ModelSettings, llm, stt

from agent.captions import split_sentences
from agent.classroom import Classroom
from agent.hearing import Hearing
from agent.journal import Journal, Utterance
from agent.speakable import speakable
from agent.tutor import Tutor


class RoomTutor(Tutor):
    """A Tutor whose turns come from several microphones, each under its own name."""

    def __init__(self, classroom: Classroom, journal: Journal, hearing: Hearing) -> None:
        super().__init__(classroom.desk, on_asker=classroom.point_desk_at)
        self._classroom = classroom
        self._journal = journal
        self._hearing = hearing
        self._interim: _Interim | None = None

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        """Recognises; a final leaves this node only after it was kept and shown."""
        recogniser = self.session.stt
        if recogniser is None:
            raise RuntimeError("a room needs a recogniser")
        zero_s = self._hearing.clock_s
        async with recogniser.stream() as stream:
            feeding = asyncio.create_task(_feed(audio, stream))
            try:
                async for event in stream:
                    await self._heard(event, zero_s)
                    yield event
            finally:
                feeding.cancel()

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        self._classroom.take_turn(new_message)

    def on_planned(self, text: str) -> None:
        self._classroom.tutor_captions.plan(text)

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        """Speaks formulas, code and units as words; captions keep them as they are written."""
        async for frame in Tutor.default.tts_node(self, _spoken(text), model_settings):
            yield frame

    async def _heard(self, event: stt.SpeechEvent, zero_s: float) -> None:
        if not event.alternatives or not event.alternatives[0].text:
            return
        best = event.alternatives[0]
        begun = self._hearing.moment(zero_s + best.start_time)
        ended = self._hearing.moment(zero_s + best.end_time)
        if begun is None or ended is None:
            return
        identity, started_at = begun
        if self._interim is None or self._interim.identity != identity:
            self._interim = _Interim(identity, self._journal.next_id())
        interim = self._interim
        if event.type == stt.SpeechEventType.INTERIM_TRANSCRIPT:
            await self._classroom.captions.learner(
                identity, interim.segment_id, best.text, final=False
            )
        elif event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
            self._interim = None
            said = Utterance(
                interim.segment_id,
                best.text,
                "voice",
                started_at,
                max(started_at, ended[1]),
                best.language or None,
                best.confidence or None,
            )
            await self._classroom.learner_said(identity, said)


@dataclass(frozen=True)
class _Interim:
    """The utterance under way: its captions and its final carry one segment id."""

    identity: str
    segment_id: str


async def _feed(audio: AsyncIterable[rtc.AudioFrame], stream: stt.RecognizeStream) -> None:
    async for frame in audio:
        stream.push_frame(frame)
    stream.end_input()


async def _spoken(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """The text by whole sentences, so that no formula is cut in two, in words to be said."""
    held = ""
    async for delta in text:
        held += delta
        *complete, held = split_sentences(held)
        for sentence in complete:
            yield speakable(sentence)
    if held.strip():
        yield speakable(held)
