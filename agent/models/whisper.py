"""Speech to text for one voice: voice activity cuts utterances, the speech engine hears them."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectionError, APIError, stt, utils, vad
from livekit.agents.language import LanguageCode
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from speech.client import SpeechError
from speech.wire import RATE, Recognition

logger = logging.getLogger("bodh.speech")

MAX_UTTERANCE_S = 29.0  # endless speech is cut here, within what the engine takes
CUT_SEARCH_S = 5.0  # the cut falls on the quietest moment of the last seconds
CUT_FRAME = RATE // 10
INTERIM_EVERY_S = 0.7
PAUSE_S = 0.1  # no caption is asked for in a pause: it may be the end, and the final would wait
TIMEOUT_S = 10.0
LATE_S = 2.0  # of a final; with the pause that ended the utterance, as long as one waits in silence
BYTES_PER_S = 2 * RATE
# request ids of empty finals
MISSED = "missed"  # something was said that nobody could recognise
LATE = "late"  # something was said whose final takes long


class Ear(Protocol):
    """Whoever recognises PCM at 16 kHz: the speech engine, or a provider before it."""

    async def recognise(
        self,
        pcm: bytes,
        *,
        kind: Literal["final", "interim"] = "final",
        language: str | None = "en",
        timeout_s: float = 10.0,
    ) -> Recognition:
        """Raises SpeechError."""


class WhisperSTT(stt.STT[Literal["metrics_collected", "error"]]):
    """The local recogniser; `voice_activity` gives every stream its own cutting."""

    def __init__(
        self,
        client: Ear,
        voice_activity: vad.VAD,
        *,
        language: str = "en",
        model: str = "whisper",
    ) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, aligned_transcript="chunk"
            )
        )
        self.client = client
        self.voice_activity = voice_activity
        self.language = language
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    @property
    def provider(self) -> str:
        return "bodh-speech"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return WhisperStream(self, language=language or self.language, conn_options=conn_options)

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        frame = at_model_rate(utils.combine_frames(buffer))
        try:
            found = await self.client.recognise(
                bytes(frame.data.cast("B")),
                language=language or self.language,
                timeout_s=conn_options.timeout,
            )
        except SpeechError as error:
            raise APIConnectionError(str(error), retryable=False) from error
        return transcript(
            stt.SpeechEventType.FINAL_TRANSCRIPT, found, start_s=0.0, end_s=frame.duration
        )


@dataclass
class Utterance:
    """Speech that goes on; `pcm` begins at `pcm_start_s`, a little before the speech.

    All times are seconds from the start of the stream's run.
    """

    pcm: bytearray
    pcm_start_s: float
    start_s: float
    end_s: float = 0.0
    ended_at: float | None = None
    next_interim_s: float = 0.0

    @property
    def audio_s(self) -> float:
        return len(self.pcm) / BYTES_PER_S


class WhisperStream(stt.RecognizeStream):
    """Events of one voice: captions while it speaks, a final when it pauses."""

    def __init__(
        self, owner: WhisperSTT, *, language: str, conn_options: APIConnectOptions
    ) -> None:
        super().__init__(stt=owner, conn_options=conn_options, sample_rate=RATE)
        self._client = owner.client
        self._voice_activity = owner.voice_activity
        self._language = language
        self._current: Utterance | None = None
        self._interim: asyncio.Task[None] | None = None

    async def _run(self) -> None:
        # anything but an APIError would leave the session deaf for good
        try:
            await self._listen()
        except APIError:
            raise
        except Exception as error:
            raise APIConnectionError(f"recogniser failed: {error}", retryable=False) from error

    async def _listen(self) -> None:
        activity = self._voice_activity.stream()
        finished: utils.aio.Chan[Utterance] = utils.aio.Chan()
        self._current = None
        tasks = [
            asyncio.create_task(self._feed(activity), name="speech frames"),
            asyncio.create_task(self._cut(activity, finished), name="speech utterances"),
            asyncio.create_task(self._finish(finished), name="speech finals"),
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            if self._interim is not None:
                tasks.append(self._interim)
            await utils.aio.cancel_and_wait(*tasks)
            await activity.aclose()

    async def _feed(self, activity: vad.VADStream) -> None:
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                activity.push_frame(item)
        activity.end_input()

    async def _cut(self, activity: vad.VADStream, finished: utils.aio.Chan[Utterance]) -> None:
        async for event in activity:
            match event.type:
                case vad.VADEventType.START_OF_SPEECH:
                    self._begin(event)
                case vad.VADEventType.INFERENCE_DONE:
                    self._go_on(event, finished)
                case vad.VADEventType.END_OF_SPEECH:
                    self._end(event.timestamp, event.silence_duration, finished)
        if self._current is not None:  # the input ended within a word
            self._end(self._current.pcm_start_s + self._current.audio_s, 0.0, finished)
        finished.close()

    def _begin(self, event: vad.VADEvent) -> None:
        pcm = bytearray(b"".join(bytes(frame.data.cast("B")) for frame in event.frames))
        self._current = Utterance(
            pcm,
            pcm_start_s=event.timestamp - len(pcm) / BYTES_PER_S,
            start_s=event.timestamp - event.speech_duration,
            next_interim_s=event.timestamp + INTERIM_EVERY_S,
        )
        self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.START_OF_SPEECH))

    def _go_on(self, event: vad.VADEvent, finished: utils.aio.Chan[Utterance]) -> None:
        utterance = self._current
        if utterance is None:
            return
        for frame in event.frames:
            utterance.pcm += frame.data.cast("B")
        if utterance.audio_s >= MAX_UTTERANCE_S:
            self._current = split(utterance)
            finished.send_nowait(utterance)
        elif (
            event.timestamp >= utterance.next_interim_s and event.raw_accumulated_silence < PAUSE_S
        ):
            utterance.next_interim_s = event.timestamp + INTERIM_EVERY_S
            self._caption(utterance)

    def _end(
        self, timestamp_s: float, silence_s: float, finished: utils.aio.Chan[Utterance]
    ) -> None:
        utterance, self._current = self._current, None
        if utterance is None:
            return
        utterance.end_s = timestamp_s - silence_s
        utterance.ended_at = time.time() - silence_s
        finished.send_nowait(utterance)

    def _caption(self, utterance: Utterance) -> None:
        """Asks for an interim, unless the last one is still on its way."""
        if self._interim is None or self._interim.done():
            self._interim = asyncio.create_task(self._ask_interim(utterance), name="speech caption")

    async def _ask_interim(self, utterance: Utterance) -> None:
        end_s = utterance.pcm_start_s + utterance.audio_s
        try:
            found = await self._client.recognise(
                bytes(utterance.pcm), kind="interim", language=self._language, timeout_s=TIMEOUT_S
            )
        except SpeechError:
            return  # busy with others, or gone: the final will tell
        if found.text and utterance is self._current:
            self._emit(
                transcript(
                    stt.SpeechEventType.INTERIM_TRANSCRIPT,
                    found,
                    start_s=utterance.start_s + self.start_time_offset,
                    end_s=end_s + self.start_time_offset,
                )
            )

    async def _finish(self, finished: utils.aio.Chan[Utterance]) -> None:
        async for utterance in finished:
            late = asyncio.get_running_loop().call_later(LATE_S, self._tell_late, utterance)
            try:
                found = await self._client.recognise(
                    bytes(utterance.pcm), language=self._language, timeout_s=TIMEOUT_S
                )
            except SpeechError as error:
                # the stream goes on: what is being said now must not be lost with it
                logger.warning(
                    "an utterance was not recognised", extra={"why": type(error).__name__}
                )
                self._mark(utterance, MISSED)
                found = Recognition("", self._language or "", 0.0, utterance.audio_s, 0.0)
            finally:
                late.cancel()
            self._say(utterance, found)

    def _tell_late(self, utterance: Utterance) -> None:
        if utterance.ended_at is not None and self._current is None:  # else the learner speaks on
            self._mark(utterance, LATE)

    def _mark(self, utterance: Utterance, request_id: str) -> None:
        """An empty final, which only says what became of an utterance."""
        offset_s = self.start_time_offset
        gap = stt.SpeechData(
            language=LanguageCode(self._language or ""),
            text="",
            start_time=utterance.start_s + offset_s,
            end_time=utterance.end_s + offset_s,
        )
        self._emit(
            stt.SpeechEvent(
                stt.SpeechEventType.FINAL_TRANSCRIPT, request_id=request_id, alternatives=[gap]
            )
        )

    def _say(self, utterance: Utterance, found: Recognition) -> None:
        if found.text:
            event = transcript(
                stt.SpeechEventType.FINAL_TRANSCRIPT,
                found,
                start_s=utterance.start_s + self.start_time_offset,
                end_s=utterance.end_s + self.start_time_offset,
            )
            event.speech_end_time = utterance.ended_at
            self._emit(event)
        if utterance.ended_at is not None:  # a cut within endless speech does not end it
            self._emit(
                stt.SpeechEvent(
                    stt.SpeechEventType.END_OF_SPEECH, speech_end_time=utterance.ended_at
                )
            )
        self._emit(
            stt.SpeechEvent(
                stt.SpeechEventType.RECOGNITION_USAGE,
                recognition_usage=stt.RecognitionUsage(audio_duration=utterance.audio_s),
            )
        )

    def _emit(self, event: stt.SpeechEvent) -> None:
        self._event_ch.send_nowait(event)


def transcript(
    kind: stt.SpeechEventType, found: Recognition, *, start_s: float, end_s: float
) -> stt.SpeechEvent:
    """What was heard as livekit's event."""
    heard = stt.SpeechData(
        language=LanguageCode(found.language),
        text=found.text,
        start_time=start_s,
        end_time=end_s,
        confidence=found.confidence,
    )
    return stt.SpeechEvent(kind, request_id=utils.shortuuid("speech_"), alternatives=[heard])


def split(utterance: Utterance) -> Utterance:
    """Ends an endless utterance at its quietest late moment; the answer is what follows."""
    samples = np.frombuffer(bytes(utterance.pcm), np.int16).astype(np.float32)
    late = samples[-int(CUT_SEARCH_S * RATE) :]
    frames = late[: len(late) // CUT_FRAME * CUT_FRAME].reshape(-1, CUT_FRAME)
    quietest = int(np.argmin(np.square(frames).mean(axis=1)))
    cut = 2 * (len(samples) - len(late) + quietest * CUT_FRAME + CUT_FRAME // 2)
    rest = bytearray(utterance.pcm[cut:])
    del utterance.pcm[cut:]
    utterance.end_s = utterance.pcm_start_s + utterance.audio_s
    return Utterance(
        rest,
        pcm_start_s=utterance.end_s,
        start_s=utterance.end_s,
        next_interim_s=utterance.next_interim_s,
    )


def at_model_rate(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    """The same sound at 16 kHz."""
    if frame.sample_rate == RATE:
        return frame
    resampler = rtc.AudioResampler(frame.sample_rate, RATE, num_channels=frame.num_channels)
    return utils.combine_frames([*resampler.push(frame), *resampler.flush()])
