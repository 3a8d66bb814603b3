"""The voice of one participant: audio in, utterances with identity and times out."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from livekit import rtc
from livekit.agents import utils, vad

from agent.models.recogniser import Recogniser
from agent.models.voice_activity import WINDOW_S, VoiceActivity
from agent.room.sound import BYTES_PER_S, UtteranceSound
from speech.client import SpeechError
from speech.wire import Recognition

INTERIM_EVERY_S = 0.7
PAUSE_S = 0.1  # no interim during a pause: it may be the end, and the final would have to wait
EARLY_S = 0.09  # of silence before the newest window of 32 ms: then recognition begins
EARLY_EVERY_S = 0.7  # so that noise with many gaps does not keep the recogniser busy
SPLIT_SEARCH_S = 1.0  # short: the pause before the speech is quieter than any in it
TIMEOUT_S = 10.0
LATE_S = 2.0  # after this, the tutor asks the learner to wait
NO_WORDS = Recognition("", language="", confidence=0.0, audio_s=0.0, decode_s=0.0)
HeardKind = Literal["interim", "late", "final", "missed"]
Place = Literal["floor", "backchannel", "queue", "aside"]

logger = logging.getLogger("bodh.speech")


@dataclass(frozen=True)
class HeardUtterance:
    """An utterance as recognised so far. Times are epoch seconds.

    interim   its text may change, and may be empty; `ended_at` is now
    late      it has ended; its recognition is slow
    final     recognised; the text is empty if there was noise but no words
    missed    could not be recognised; with a language, it was spoken in that one

    place: where it was said
    floor   the tutor was listening to this learner, alone or first
    backchannel   the same, but they only agreed while the tutor spoke, or were not understood:
            not answered
    queue   they lost the floor at its end, or did not get it, because others waited: answered
            after them
    aside   they did not have the floor, because they had had it for long: not answered

    Each utterance gets one `final` or `missed`. Speech of more than 29 s is cut into several
    utterances; all but the last one have `continues` set.
    """

    kind: HeardKind
    identity: str
    segment_id: str
    started_at: float
    ended_at: float
    text: str = ""
    language: str | None = None
    confidence: float | None = None
    continues: bool = False
    place: Place = "floor"


class VoiceListener(Protocol):
    """Receives the events of all voices in a room. All methods must return at once."""

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        """Speech starts, continues (every 32 ms) or ends."""

    def on_utterance(self, heard: HeardUtterance) -> None: ...

    def wants_interims(self, identity: str) -> bool:
        """Whether to spend time of the recogniser on what is not yet said to the end."""


class ParticipantVoice:
    def __init__(
        self,
        identity: str,
        recogniser: Recogniser,
        listener: VoiceListener,
        *,
        next_segment_id: Callable[[], str],
        early: bool = True,
    ) -> None:
        """`next_segment_id` makes the segment ids. Close it with `aclose`.

        `early`: whether to begin the recognition in a silence that may not end the speech.
        """
        self._identity = identity
        self._recogniser = recogniser
        self._listener = listener
        self._next_segment_id = next_segment_id
        self._activity = VoiceActivity()
        self._zero_at = 0.0  # epoch time of position 0 of the voice activity
        self._sound: UtteranceSound | None = None  # of the current utterance
        self._ended: asyncio.Queue[_EndedUtterance] = asyncio.Queue()
        self._interim: asyncio.Task[None] | None = None
        self._early: _EarlyRecognition | None = None  # of the current utterance
        self._next_early_at = 0.0 if early else float("inf")
        self._finals = asyncio.create_task(self._recognise_ended(), name="finals")

    def push_frame(self, frame: rtc.AudioFrame, spoken_at: float) -> None:
        """Takes 16 kHz mono sound; `spoken_at` is the epoch time of its first sample."""
        self._zero_at = spoken_at - self._activity.position_s
        for event in self._activity.push_frame(frame):
            self._handle_vad_event(event)

    def end_speech(self) -> None:
        for event in self._activity.end_speech():
            self._handle_vad_event(event)

    def split_utterance(self) -> None:
        if self._sound is not None:
            before = self._sound
            self._sound = before.cut_at_quietest(self._next_segment_id(), SPLIT_SEARCH_S)
            before.continues = False
            self._drop_early_recognition()
            self._ended.put_nowait(_EndedUtterance(before))

    async def wait_until_recognised(self) -> None:
        """Returns when the listener has received every utterance that has ended."""
        await self._ended.join()

    async def aclose(self) -> None:
        """Drops what is not recognised yet."""
        early = self._early.task if self._early else None
        tasks = [task for task in (self._finals, self._interim, early) if task is not None]
        await utils.aio.cancel_and_wait(*tasks)

    def _handle_vad_event(self, event: vad.VADEvent) -> None:
        match event.type:
            case vad.VADEventType.START_OF_SPEECH:
                self._begin_utterance(event)
            case vad.VADEventType.INFERENCE_DONE if self._sound is not None:
                self._continue_utterance(self._sound, event)
            case vad.VADEventType.END_OF_SPEECH if self._sound is not None:
                self._end_utterance(self._sound, event)

    def _begin_utterance(self, event: vad.VADEvent) -> None:
        now = self._zero_at + event.timestamp
        pcm = bytearray(b"".join(bytes(frame.data.cast("B")) for frame in event.frames))
        self._sound = UtteranceSound(
            self._next_segment_id(),
            pcm,
            pcm_at=now - len(pcm) / BYTES_PER_S,
            started_at=now - event.speech_duration,
            next_interim_at=now + INTERIM_EVERY_S,
        )
        self._sound.note_window(event.probability, WINDOW_S)
        self._listener.on_speech(self._identity, event)

    def _continue_utterance(self, sound: UtteranceSound, event: vad.VADEvent) -> None:
        for frame in event.frames:
            sound.pcm += frame.data.cast("B")
        sound.note_window(event.probability, WINDOW_S)
        silence_s = event.raw_accumulated_silence
        if self._early is not None and silence_s < self._early.silence_s:
            self._drop_early_recognition()  # the speech goes on
        if sound.too_long:
            self._sound = sound.cut_at_quietest(self._next_segment_id())
            self._drop_early_recognition()
            self._ended.put_nowait(_EndedUtterance(sound))
        elif silence_s >= EARLY_S and sound.is_speech:
            self._recognise_early(sound, silence_s)
        elif sound.last_at >= sound.next_interim_at and silence_s < PAUSE_S:
            sound.next_interim_at = sound.last_at + INTERIM_EVERY_S
            is_free = self._interim is None or self._interim.done()
            if not sound.is_speech:
                self._report_utterance("interim", sound, sound.last_at)  # a noise so far
            elif is_free and self._listener.wants_interims(self._identity):
                self._interim = asyncio.create_task(self._recognise_interim(sound), name="interim")
        self._listener.on_speech(self._identity, event)

    def _end_utterance(self, sound: UtteranceSound, event: vad.VADEvent) -> None:
        self._sound = None
        sound.ended_at = self._zero_at + event.timestamp - event.silence_duration
        early, self._early = self._early, None
        self._ended.put_nowait(_EndedUtterance(sound, early.task if early else None))
        self._listener.on_speech(self._identity, event)

    def _recognise_early(self, sound: UtteranceSound, silence_s: float) -> None:
        """Begins the recognition of speech that may be over. Nothing is reported before its end."""
        if self._early is not None or sound.last_at < self._next_early_at:
            return
        self._next_early_at = sound.last_at + EARLY_EVERY_S
        if self._interim is not None:
            self._interim.cancel()
        task = asyncio.create_task(
            self._recogniser.recognise(
                bytes(sound.pcm), utterance=sound.segment_id, timeout_s=TIMEOUT_S
            ),
            name="early",
        )
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._early = _EarlyRecognition(task, silence_s)

    def _drop_early_recognition(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.task.cancel()

    async def _recognise_interim(self, sound: UtteranceSound) -> None:
        end_at = sound.last_at
        try:
            found = await self._recogniser.recognise(
                bytes(sound.pcm),
                kind="interim",
                utterance=sound.segment_id,
                timeout_s=TIMEOUT_S,
            )
        except SpeechError:
            return  # the recogniser is busy or away; a final follows
        if sound is self._sound:
            self._report_utterance("interim", sound, end_at, found)

    async def _recognise_ended(self) -> None:
        while True:
            ended = await self._ended.get()
            try:
                await self._recognise_final(ended.sound, ended.early)
            except Exception:  # else nothing more of this voice would be heard
                logger.exception("an utterance was lost")
            finally:
                self._ended.task_done()

    async def _recognise_final(
        self, sound: UtteranceSound, early: "asyncio.Task[Recognition] | None"
    ) -> None:
        if not sound.is_speech:
            self._report_utterance("final", sound, sound.ended_at)
            return
        late = asyncio.get_running_loop().call_later(LATE_S, self._report_late, sound)
        try:
            if early is not None:
                found = await early
            else:
                found = await self._recogniser.recognise(
                    bytes(sound.pcm), utterance=sound.segment_id, timeout_s=TIMEOUT_S
                )
        except Exception as error:  # noqa: BLE001 no error may stop later utterances
            logger.warning("utterance not recognised", extra={"why": type(error).__name__})
            self._report_utterance("missed", sound, sound.ended_at)
        else:
            kind: HeardKind = "missed" if found.not_understood else "final"
            self._report_utterance(kind, sound, sound.ended_at, found)
        finally:
            late.cancel()

    def _report_late(self, sound: UtteranceSound) -> None:
        if not sound.continues and self._sound is None:  # else the speaker is still talking
            self._report_utterance("late", sound, sound.ended_at)

    def _report_utterance(
        self,
        kind: HeardKind,
        sound: UtteranceSound,
        ended_at: float,
        found: Recognition = NO_WORDS,
    ) -> None:
        self._listener.on_utterance(
            HeardUtterance(
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


@dataclass(frozen=True)
class _EarlyRecognition:
    """The recognition of an utterance up to a silence that may end it."""

    task: asyncio.Task[Recognition]
    silence_s: float  # at its beginning; less means that the speech goes on


@dataclass(frozen=True)
class _EndedUtterance:
    sound: UtteranceSound
    early: asyncio.Task[Recognition] | None = None
