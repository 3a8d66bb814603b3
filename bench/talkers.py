"""Learners who talk in real time, heard by the agent's own voice detection and one recogniser."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Unpack

from livekit import rtc
from livekit.agents import vad

from agent.models.recogniser import LANGUAGE, Recogniser, RecognitionOptions
from agent.room.participant_voice import HeardUtterance, ParticipantVoice
from bench.baselines.transcriber import Transcriber
from bench.spoken import BESIDE_S, Clip, put_in_room
from speech.client import SpeechBusy, SpeechTimeout
from speech.wire import RATE, Recognition

FRAME_SAMPLES = RATE // 20
SILENCE = bytes(2 * FRAME_SAMPLES)
PAUSE_S = (1.0, 2.0)  # between two sentences of a learner


@dataclass(frozen=True)
class Recognised:
    """What was heard of a clip, and how long after its end the last text was final."""

    clip: Clip
    text: str
    after_s: float


class FinalsOnly:
    """A baseline as the agent's recogniser. It is asked as plain livekit-agents would ask it."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self.streamed_s = 0.0  # while the learner spoke, it could have had this much of the sound

    async def recognise(self, pcm: bytes, **options: Unpack[RecognitionOptions]) -> Recognition:
        if options.get("kind") == "interim":
            raise SpeechBusy("a baseline is asked for finals only")
        audio_s = len(pcm) / 2 / RATE
        try:
            heard = await self._transcriber.transcribe(pcm)
        except (OSError, EOFError) as error:
            raise SpeechTimeout("the baseline gave no answer") from error
        if self._transcriber.streams:
            self.streamed_s += audio_s
        return Recognition(heard.text, LANGUAGE, 1.0, audio_s, decode_s=heard.seconds)


class Talker:
    """A learner whose microphone always sends sound or silence. Close it with `aclose`."""

    def __init__(self, recogniser: Recogniser, seed: int) -> None:
        numbers = count(1)
        self._voice = ParticipantVoice(
            f"l_{seed}",
            recogniser,
            self,
            next_segment_id=lambda: f"{seed}-{next(numbers)}",
            early=not isinstance(recogniser, FinalsOnly),  # a baseline cannot give up a decode
        )
        self._recogniser = recogniser
        self._random = random.Random(seed)  # noqa: S311 not a secret
        self._texts: list[str] = []
        self._final_at = 0.0

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        pass

    def on_utterance(self, heard: HeardUtterance) -> None:
        if heard.kind in ("final", "missed"):
            self._texts.append(heard.text)
            if heard.text or not self._final_at:
                self._final_at = time.time()

    def wants_interims(self, identity: str) -> bool:
        return True

    async def say(self, clips: Sequence[Clip]) -> list[Recognised]:
        await self._play(b"", self._random.uniform(0, PAUSE_S[1]))
        return [await self._say_clip(clip) for clip in clips]

    async def _say_clip(self, clip: Clip) -> Recognised:
        self._texts.clear()
        self._final_at = 0.0
        pcm = put_in_room(clip.pcm)
        began, streamed_before_s = time.time(), self._read_streamed_s()
        await self._play(pcm.tobytes(), self._random.uniform(*PAUSE_S))
        await self._voice.wait_until_recognised()
        ended_at = began + len(pcm) / RATE - BESIDE_S
        streamed_s = self._read_streamed_s() - streamed_before_s
        after_s = self._final_at - ended_at - streamed_s
        return Recognised(clip, " ".join(self._texts).strip(), after_s)

    def _read_streamed_s(self) -> float:
        return self._recogniser.streamed_s if isinstance(self._recogniser, FinalsOnly) else 0.0

    async def _play(self, pcm: bytes, silence_s: float) -> None:
        """Pushes each frame when its last sample has been spoken."""
        began = time.time()
        frames = [pcm[at : at + len(SILENCE)] for at in range(0, len(pcm), len(SILENCE))]
        frames += [SILENCE] * int(silence_s * RATE / FRAME_SAMPLES)
        at = began
        for data in frames:
            samples = len(data) // 2
            await asyncio.sleep(max(0.0, at + samples / RATE - time.time()))
            self._voice.push_frame(rtc.AudioFrame(data, RATE, 1, samples), at)
            at += samples / RATE

    async def aclose(self) -> None:
        await self._voice.aclose()


async def talk_in_rooms(
    recogniser: Recogniser, clips: Sequence[Clip], rooms: int
) -> list[Recognised]:
    """Deals the clips to `rooms` learners, who talk at the same time."""
    talkers = [Talker(recogniser, seed) for seed in range(rooms)]
    try:
        said = await asyncio.gather(
            *(talker.say(clips[seed::rooms]) for seed, talker in enumerate(talkers))
        )
    finally:
        await asyncio.gather(*(talker.aclose() for talker in talkers))
    return [one for each in said for one in each]
