"""Hearing in a room: gives the agent session the voice of one learner at a time, by name."""

import asyncio
import logging
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io

# private, and the only reader of the buffer that LiveKit's clients send; the versions are pinned
from livekit.agents.voice.room_io._pre_connect_audio import PreConnectAudioHandler
from livekit.rtc._proto.track_pb2 import AudioTrackFeature

from agent.models.inline_vad import SpeechDetector

SAMPLE_RATE = 16000
FRAME_MS = 50
MEMORY_S = 300  # how far back a segment may be traced to its speaker
MICROPHONES = (rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_UNKNOWN)
END_MS = 500  # of silence where a microphone was switched off
BETWEEN_MS = 300  # silence between two speakers: the recogniser ends the first one's utterance
MAX_WAITING_S = 30  # of a learner who speaks while another has the floor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Heard:
    """A frame handed to the session: where on the stream's clock, from whom, when it was spoken."""

    at_s: float
    identity: str
    spoken_at: float  # epoch seconds


class Hearing(io.AudioInput):
    """An AudioInput over all microphones of a room.

    One learner has the floor while they speak. Another's speech is kept from its onset on and
    handed over when the floor is free, so every utterance is whole and belongs to one identity.
    """

    def __init__(self, room: rtc.Room) -> None:
        super().__init__(label="bodh-hearing")
        self._room = room
        self._frames = utils.aio.Chan[rtc.AudioFrame]()
        self._clock_s = 0.0
        self._trace: deque[_Heard] = deque(maxlen=MEMORY_S * 1000 // FRAME_MS)
        self._voices: dict[str, _Voice] = {}
        self._holder: str | None = None
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._before = PreConnectAudioHandler(room=room, timeout=3.0)
        self._before.register()
        room.on("track_subscribed", self._on_track)
        room.on("track_unsubscribed", self._on_track_gone)
        room.on("track_muted", self._on_muted)

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.__anext__()

    @property
    def clock_s(self) -> float:
        """Seconds of sound handed to the session so far."""
        return self._clock_s

    @property
    def ended(self) -> bool:
        """Whether it takes no more sound; what it took is still recognised."""
        return self._ended

    def moment(self, at_s: float) -> tuple[str, float] | None:
        """Who was heard at a time of the stream's clock, and when that was (epoch seconds)."""
        if not self._trace:
            return None
        index = max(0, bisect_right(self._trace, at_s, key=lambda heard: heard.at_s) - 1)
        heard = self._trace[index]
        return heard.identity, heard.spoken_at + (at_s - heard.at_s)

    def end_speech(self) -> None:
        """Takes no more sound; silence behind all that was said, so that every utterance ends."""
        self._ended = True
        for _ in range(len(self._voices) + 1):  # the floor goes from one to the next
            if self._holder is not None:
                self._end_of_sound(self._holder)

    async def close(self) -> None:
        self._room.off("track_subscribed", self._on_track)
        self._room.off("track_unsubscribed", self._on_track_gone)
        self._room.off("track_muted", self._on_muted)
        await utils.aio.cancel_and_wait(*self._tasks)
        await self._before.aclose()
        self._frames.close()

    def _on_track(self, track: rtc.Track, publication: Any, participant: Any) -> None:
        if (
            track.kind != rtc.TrackKind.KIND_AUDIO
            or publication.source not in MICROPHONES
            or participant.kind != rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
        ):
            return
        if before := self._voices.get(participant.identity):
            self._drop(before)
        early = AudioTrackFeature.TF_PRECONNECT_BUFFER in publication.audio_features
        voice = _Voice(participant.identity, track, early=early)
        self._voices[participant.identity] = voice
        voice.listening = asyncio.create_task(self._listen(voice))
        self._tasks.add(voice.listening)
        voice.listening.add_done_callback(self._done)

    def _drop(self, voice: "_Voice") -> None:
        """Listens to it no more and ends what it was saying."""
        del self._voices[voice.identity]
        voice.listening.cancel()
        self._end_of_sound(voice.identity)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a microphone is not heard any more", exc_info=error)

    def _on_muted(self, participant: rtc.Participant, publication: Any) -> None:
        voice = self._voices.get(participant.identity)
        if voice is not None and voice.track.sid == publication.sid:
            self._end_of_sound(participant.identity)

    def _end_of_sound(self, identity: str) -> None:
        """Silence behind a voice that stops in mid-word, so that its utterance ends."""
        if self._holder == identity:
            self._hand_over(identity, _silence(END_MS), time.time())
            self._holder = None
            self._give_floor_to_next()

    def _on_track_gone(self, track: rtc.Track, publication: Any, participant: Any) -> None:
        voice = self._voices.get(participant.identity)
        if voice is not None and voice.track.sid == track.sid:
            self._drop(voice)

    async def _listen(self, voice: "_Voice") -> None:
        """Until it is cancelled: the stream of a connection that was lost goes on with silence."""
        # opened first: it keeps what is said while the sound from before is on its way
        stream = rtc.AudioStream.from_track(
            track=voice.track, sample_rate=SAMPLE_RATE, num_channels=1, frame_size_ms=FRAME_MS
        )
        try:
            if voice.early:
                self._take_early(voice, await self._early_frames(voice))
            async for event in stream:
                self._take(voice, event.frame, time.time() - event.frame.duration)
        finally:
            await stream.aclose()

    async def _early_frames(self, voice: "_Voice") -> list[rtc.AudioFrame]:
        """What the learner said before the agent came; empty where it did not arrive in time."""
        try:
            frames = await self._before.wait_for_data(voice.track.sid)
            return _resampled(frames)
        except Exception as error:  # noqa: BLE001 a client's own bytes, through a decoder
            logger.warning(
                "no sound from before the agent came", extra={"why": type(error).__name__}
            )
            return []

    def _take_early(self, voice: "_Voice", frames: list[rtc.AudioFrame]) -> None:
        at = time.time() - sum(frame.duration for frame in frames)
        for frame in frames:
            self._take(voice, frame, at)
            at += frame.duration

    def _take(self, voice: "_Voice", frame: rtc.AudioFrame, spoken_at: float) -> None:
        if self._ended:
            return
        change = voice.detector.push(frame)
        if self._holder is None:
            self._holder = voice.identity
        if self._holder == voice.identity:
            self._hand_over(voice.identity, frame, spoken_at)
            if change == "end":
                self._give_floor_to_next()
            return
        voice.keep(frame, spoken_at)
        holder = self._voices.get(self._holder)
        if voice.detector.speaking and (holder is None or not holder.detector.speaking):
            self._switch_to(voice)

    def _give_floor_to_next(self) -> None:
        waiting = [v for v in self._voices.values() if v.identity != self._holder and v.spoke]
        if waiting:
            self._switch_to(min(waiting, key=lambda v: v.kept[0][1]))

    def _switch_to(self, voice: "_Voice") -> None:
        if self._holder is not None:
            self._hand_over(self._holder, _silence(BETWEEN_MS), time.time())
        self._holder = voice.identity
        for frame, spoken_at in voice.take_kept():
            self._hand_over(voice.identity, frame, spoken_at)

    def _hand_over(self, identity: str, frame: rtc.AudioFrame, spoken_at: float) -> None:
        if self._frames.closed:
            return
        self._trace.append(_Heard(self._clock_s, identity, spoken_at))
        self._clock_s += frame.duration
        self._frames.send_nowait(frame)


class _Voice:
    """One learner's microphone, and what they said while another had the floor."""

    listening: asyncio.Task[None]

    def __init__(self, identity: str, track: rtc.Track, *, early: bool) -> None:
        self.identity = identity
        self.track = track
        self.early = early
        self.detector = SpeechDetector()
        self.kept: deque[tuple[rtc.AudioFrame, float]] = deque()
        self.spoke = False  # true once the kept sound holds speech

    def keep(self, frame: rtc.AudioFrame, spoken_at: float) -> None:
        """Keeps all sound since the onset of speech, else the last half second before it."""
        self.kept.append((frame, spoken_at))
        self.spoke = self.spoke or self.detector.speaking
        limit_s = MAX_WAITING_S if self.spoke else 0.5
        while len(self.kept) * FRAME_MS / 1000 > limit_s:
            self.kept.popleft()

    def take_kept(self) -> list[tuple[rtc.AudioFrame, float]]:
        kept = list(self.kept)
        self.kept.clear()
        self.spoke = False
        return kept


def _silence(duration_ms: int) -> rtc.AudioFrame:
    samples = SAMPLE_RATE * duration_ms // 1000
    return rtc.AudioFrame(bytes(2 * samples), SAMPLE_RATE, 1, samples)


def _resampled(frames: list[rtc.AudioFrame]) -> list[rtc.AudioFrame]:
    if not frames or (frames[0].sample_rate == SAMPLE_RATE and frames[0].num_channels == 1):
        return frames
    mono = [frame if frame.num_channels == 1 else _mono(frame) for frame in frames]
    resampler = rtc.AudioResampler(frames[0].sample_rate, SAMPLE_RATE)
    return [out for frame in mono for out in resampler.push(frame)] + resampler.flush()


def _mono(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
    left = np.ascontiguousarray(samples[:, 0])
    return rtc.AudioFrame(left.tobytes(), frame.sample_rate, 1, len(left))
