"""The voice of one participant: audio in, utterances with identity and times out."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from livekit import rtc
from livekit.agents import utils, vad

from agent.models.recogniser import Recogniser
from agent.models.voice_activity import VoiceActivity
from agent.room.sound import BYTES_PER_S, Sound
from speech.client import SpeechError
from speech.wire import Recognition

INTERIM_EVERY_S = 0.7
PAUSE_S = 0.1  # no interim during a pause: it may be the end, and the final would have to wait
TIMEOUT_S = 10.0
LATE_S = 2.0  # after this, the tutor asks the learner to wait
NO_WORDS = Recognition("", language="", confidence=0.0, audio_s=0.0, decode_s=0.0)
Kind = Literal["interim", "late", "final", "missed"]

logger = logging.getLogger("bodh.speech")


@dataclass(frozen=True)
class Heard:
    """An utterance as recognised so far. Times are epoch seconds.

    interim   its text may change; `ended_at` is now
    late      it has ended; its recognition is slow
    final     recognised; the text is empty if there was noise but no words
    missed    could not be recognised

    Each utterance gets one `final` or `missed`. Speech of more than 29 s is cut into several
    utterances; all but the last one have `continues` set.
    """

    kind: Kind
    identity: str
    segment_id: str
    started_at: float
    ended_at: float
    text: str = ""
    language: str | None = None
    confidence: float | None = None
    continues: bool = False


class Listener(Protocol):
    """Receives the events of all voices in a room. Both methods must return at once."""

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        """Speech starts, continues (every 32 ms) or ends."""

    def on_utterance(self, heard: Heard) -> None: ...


class ParticipantVoice:
    def __init__(
        self,
        identity: str,
        recogniser: Recogniser,
        listener: Listener,
        *,
        next_id: Callable[[], str],
    ) -> None:
        """`next_id` makes the segment ids. Close it with `aclose`."""
        self._identity = identity
        self._recogniser = recogniser
        self._listener = listener
        self._next_id = next_id
        self._activity = VoiceActivity()
        self._zero_at = 0.0  # epoch time of position 0 of the voice activity
        self._sound: Sound | None = None  # of the current utterance
        self._ended: asyncio.Queue[Sound] = asyncio.Queue()
        self._interim: asyncio.Task[None] | None = None
        self._finals = asyncio.create_task(self._recognise_ended(), name="finals")

    def push(self, frame: rtc.AudioFrame, spoken_at: float) -> None:
        """Takes 16 kHz mono sound; `spoken_at` is the epoch time of its first sample."""
        self._zero_at = spoken_at - self._activity.position_s
        for event in self._activity.push(frame):
            self._follow(event)

    def end_speech(self) -> None:
        """Ends the current utterance, whose audio has stopped mid-word."""
        for event in self._activity.end_speech():
            self._follow(event)

    async def recognised(self) -> None:
        """Returns when the listener has received every utterance that has ended."""
        await self._ended.join()

    async def aclose(self) -> None:
        """Drops what is not recognised yet."""
        tasks = [self._finals] if self._interim is None else [self._finals, self._interim]
        await utils.aio.cancel_and_wait(*tasks)

    def _follow(self, event: vad.VADEvent) -> None:
        match event.type:
            case vad.VADEventType.START_OF_SPEECH:
                self._begin(event)
            case vad.VADEventType.INFERENCE_DONE if self._sound is not None:
                self._go_on(self._sound, event)
            case vad.VADEventType.END_OF_SPEECH if self._sound is not None:
                self._end(self._sound, event)

    def _begin(self, event: vad.VADEvent) -> None:
        now = self._zero_at + event.timestamp
        pcm = bytearray(b"".join(bytes(frame.data.cast("B")) for frame in event.frames))
        self._sound = Sound(
            self._next_id(),
            pcm,
            pcm_at=now - len(pcm) / BYTES_PER_S,
            started_at=now - event.speech_duration,
            next_interim_at=now + INTERIM_EVERY_S,
        )
        self._listener.on_speech(self._identity, event)

    def _go_on(self, sound: Sound, event: vad.VADEvent) -> None:
        for frame in event.frames:
            sound.pcm += frame.data.cast("B")
        if sound.too_long:
            self._sound = sound.cut(self._next_id())
            self._ended.put_nowait(sound)
        elif sound.last_at >= sound.next_interim_at and event.raw_accumulated_silence < PAUSE_S:
            sound.next_interim_at = sound.last_at + INTERIM_EVERY_S
            if self._interim is None or self._interim.done():
                self._interim = asyncio.create_task(self._ask_interim(sound), name="interim")
        self._listener.on_speech(self._identity, event)

    def _end(self, sound: Sound, event: vad.VADEvent) -> None:
        self._sound = None
        sound.ended_at = self._zero_at + event.timestamp - event.silence_duration
        self._ended.put_nowait(sound)
        self._listener.on_speech(self._identity, event)

    async def _ask_interim(self, sound: Sound) -> None:
        end_at = sound.last_at
        try:
            found = await self._recogniser.recognise(
                bytes(sound.pcm), kind="interim", timeout_s=TIMEOUT_S
            )
        except SpeechError:
            return  # the recogniser is busy or away; a final follows
        if found.text and sound is self._sound:
            self._report("interim", sound, end_at, found)

    async def _recognise_ended(self) -> None:
        while True:
            sound = await self._ended.get()
            try:
                await self._recognise(sound)
            finally:
                self._ended.task_done()

    async def _recognise(self, sound: Sound) -> None:
        late = asyncio.get_running_loop().call_later(LATE_S, self._report_late, sound)
        try:
            found = await self._recogniser.recognise(bytes(sound.pcm), timeout_s=TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 no error may stop later utterances
            logger.warning("utterance not recognised", extra={"why": type(error).__name__})
            self._report("missed", sound, sound.ended_at)
        else:
            self._report("final", sound, sound.ended_at, found)
        finally:
            late.cancel()

    def _report_late(self, sound: Sound) -> None:
        if not sound.continues and self._sound is None:  # else the speaker is still talking
            self._report("late", sound, sound.ended_at)

    def _report(
        self,
        kind: Kind,
        sound: Sound,
        ended_at: float,
        found: Recognition = NO_WORDS,
    ) -> None:
        self._listener.on_utterance(
            Heard(
                kind,
                self._identity,
                sound.segment_id,
                sound.started_at,
                max(sound.started_at, ended_at),
                text=found.text,
                language=found.language or None,
                confidence=found.confidence or None,
                continues=sound.continues,
            )
        )
