"""The microphones of a room. Feeds each participant's audio to their voice."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from livekit import rtc

from agent.livekit_private import has_early_audio
from agent.models.recogniser import Recogniser
from agent.room.early_audio import EarlyAudio
from agent.room.limits import Limits
from agent.room.participant_voice import ParticipantVoice, VoiceListener
from agent.room.tasks import Tasks
from speech.wire import RATE

FRAME_MS = 50
FRAMES_AT_ONCE = 20  # of early audio, before others get a turn
MICROPHONE_SOURCES = (rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_UNKNOWN)

logger = logging.getLogger(__name__)


@dataclass
class _Microphone:
    publication: Any
    listening: asyncio.Task[None]


class Microphones:
    """Gives each participant a voice, which is kept until they leave.

    Hears one microphone of each, the newest; nothing else is received.

    Create it before the room connects.
    """

    def __init__(
        self,
        room: rtc.Room,
        recogniser_of: Callable[[str], Recogniser],
        listener: VoiceListener,
        *,
        next_segment_id: Callable[[], str],
        limits: Limits,
        early: bool = True,
    ) -> None:
        """`recogniser_of` makes the recogniser of an identity.

        `early`: whether to begin the recognition in a silence that may not end the speech.
        """
        self._room = room
        self._limits = limits
        self._recogniser_of = recogniser_of
        self._listener = listener
        self._next_segment_id = next_segment_id
        self._early_recognition = early
        self._voices: dict[str, ParticipantVoice] = {}
        self._leaving: set[ParticipantVoice] = set()  # whose last words are being recognised
        self._microphones: dict[str, _Microphone] = {}
        self._ended = False
        self._tasks = Tasks("microphones")
        self._early = EarlyAudio(room, limits.rates)
        room.on("track_subscribed", self._on_track_subscribed)
        room.on("track_unsubscribed", self._on_track_unsubscribed)
        room.on("track_muted", self._on_muted)
        room.on("participant_disconnected", self._on_participant_left)

    def end_listening(self) -> None:
        """Stops listening and ends current utterances, which are still recognised."""
        self._ended = True
        for voice in self._voices.values():
            voice.end_speech()

    def split_utterance(self, identity: str) -> None:
        """Ends the utterance of somebody who is speaking; what they go on to say is another one."""
        if voice := self._voices.get(identity):
            voice.split_utterance()

    async def wait_until_recognised(self) -> None:
        voices = [*self._voices.values(), *self._leaving]
        await asyncio.gather(*(voice.wait_until_recognised() for voice in voices))

    async def aclose(self) -> None:
        self._room.off("track_subscribed", self._on_track_subscribed)
        self._room.off("track_unsubscribed", self._on_track_unsubscribed)
        self._room.off("track_muted", self._on_muted)
        self._room.off("participant_disconnected", self._on_participant_left)
        await self._tasks.close()
        await self._early.aclose()
        voices = [*self._voices.values(), *self._leaving]
        await asyncio.gather(*(voice.aclose() for voice in voices))

    def _on_track_subscribed(self, track: rtc.Track, publication: Any, participant: Any) -> None:
        identity = participant.identity
        if not _is_microphone(track, publication, participant):
            publication.set_subscribed(False)  # receiving sound costs time even if nobody listens
            return
        if not self._limits.rates.allow(identity, "microphone"):
            publication.set_subscribed(False)
            self._limits.send_refusal(identity, "microphone")
            return
        before = self._microphones.get(identity)
        if before is not None and before.publication.sid != publication.sid:
            before.publication.set_subscribed(False)
        self._stop_listening(identity)
        voice = self._voices.get(identity)
        if voice is None:
            voice = ParticipantVoice(
                identity,
                self._recogniser_of(identity),
                self._listener,
                next_segment_id=self._next_segment_id,
                early=self._early_recognition,
            )
            self._voices[identity] = voice
        early = has_early_audio(publication)
        listening = self._tasks.spawn(
            self._listen_to_track(voice, track, owner=identity, early=early)
        )
        self._microphones[identity] = _Microphone(publication, listening)
        listening.add_done_callback(partial(self._on_listening_done, voice))

    def _on_participant_left(self, participant: rtc.RemoteParticipant) -> None:
        identity = participant.identity
        self._stop_listening(identity)
        self._early.drop_audio_of(identity)
        if voice := self._voices.pop(identity, None):
            self._leaving.add(voice)
            self._tasks.spawn(self._close_voice(voice))

    async def _close_voice(self, voice: ParticipantVoice) -> None:
        """Waits for the last words of somebody who has left."""
        try:
            await voice.wait_until_recognised()
        finally:
            self._leaving.discard(voice)
            await voice.aclose()

    def _stop_listening(self, identity: str) -> None:
        if microphone := self._microphones.pop(identity, None):
            microphone.listening.cancel()
            self._voices[identity].end_speech()

    def _on_listening_done(self, voice: ParticipantVoice, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            voice.end_speech()  # else the tutor would wait for the end of speech forever

    def _on_muted(self, participant: rtc.Participant, publication: Any) -> None:
        if self._is_heard(participant.identity, publication.sid):
            self._voices[participant.identity].end_speech()

    def _on_track_unsubscribed(self, track: rtc.Track, publication: Any, participant: Any) -> None:
        if self._is_heard(participant.identity, track.sid):
            self._stop_listening(participant.identity)

    def _is_heard(self, identity: str, track_sid: str) -> bool:
        microphone = self._microphones.get(identity)
        return microphone is not None and microphone.publication.sid == track_sid

    async def _listen_to_track(
        self, voice: ParticipantVoice, track: rtc.Track, owner: str, *, early: bool
    ) -> None:
        """Runs until cancelled or the track ends. A lost connection sounds like silence."""
        # opened first, to buffer speech until the early audio arrives
        stream = rtc.AudioStream.from_track(
            track=track, sample_rate=RATE, num_channels=1, frame_size_ms=FRAME_MS
        )
        try:
            if early:
                await self._push_early_audio(
                    voice, await self._wait_for_early_audio(owner, track.sid)
                )
            async for event in stream:
                self._push_frame(voice, event.frame, time.time() - event.frame.duration)
        finally:
            await stream.aclose()

    async def _wait_for_early_audio(self, owner: str, track_sid: str) -> list[rtc.AudioFrame]:
        """Audio from before the agent joined; empty if it does not arrive in time."""
        try:
            return _mono_frames(await self._early.wait_for_frames(owner, track_sid))
        except Exception as error:  # noqa: BLE001 decodes bytes from a client
            logger.warning("no early audio", extra={"why": type(error).__name__})
            return []

    async def _push_early_audio(
        self, voice: ParticipantVoice, frames: list[rtc.AudioFrame]
    ) -> None:
        at = time.time() - sum(frame.duration for frame in frames)
        for number, frame in enumerate(frames):
            if number % FRAMES_AT_ONCE == 0:
                await asyncio.sleep(0)
            self._push_frame(voice, frame, at)
            at += frame.duration

    def _push_frame(self, voice: ParticipantVoice, frame: rtc.AudioFrame, spoken_at: float) -> None:
        if not self._ended:
            voice.push_frame(frame, spoken_at)


def _is_microphone(track: rtc.Track, publication: Any, participant: Any) -> bool:
    return (
        track.kind == rtc.TrackKind.KIND_AUDIO
        and publication.source in MICROPHONE_SOURCES
        and participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
    )


def _mono_frames(frames: list[rtc.AudioFrame]) -> list[rtc.AudioFrame]:
    """The left channel at the recognition rate."""
    if not frames or (frames[0].sample_rate == RATE and frames[0].num_channels == 1):
        return frames
    mono = [frame if frame.num_channels == 1 else _left_channel(frame) for frame in frames]
    resampler = rtc.AudioResampler(frames[0].sample_rate, RATE)
    return [out for frame in mono for out in resampler.push(frame)] + resampler.flush()


def _left_channel(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
    left = np.ascontiguousarray(samples[:, 0])
    return rtc.AudioFrame(left.tobytes(), frame.sample_rate, 1, len(left))
