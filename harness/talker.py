"""A learner who keeps asking, and reconnects like the page does."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import numpy as np
from livekit import rtc

from agent.models.espeak import RATE as VOICE_RATE
from harness.learner import RATE, Account, Caption, Learner
from harness.voices import resampled, synthesise_cached

PATIENCE_S = 8.0  # then it asks again
RETURN_PAUSE_S = 0.5
JOIN_S = 12.0


class LightLearner(Learner):
    """A cheap connection for load: sends whole phrases, reads captions, decodes no sound."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.words_at: list[float] = []  # monotonic times of the tutor's words
        self.lost = False
        self.room.on("disconnected", lambda _reason: setattr(self, "lost", True))
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=5000)

    async def play(self, samples: np.ndarray) -> tuple[float, float]:
        began = time.monotonic()
        frame = rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples))
        await self._source.capture_frame(frame)
        await self._source.wait_for_playout()
        return began, time.monotonic()

    async def _publish_microphone(self) -> None:
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            audio_encoding={"max_bitrate": 64_000},  # type: ignore[arg-type]
        )
        await self.room.local_participant.publish_track(track, options)

    def _on_track_subscribed(self, track: rtc.Track, _publication: Any, participant: Any) -> None:
        """Ignores sound: decoding it costs more than everything else."""

    def _update_and_wake(self, keep: Any, value: Any) -> None:
        if isinstance(value, Caption) and value.identity.startswith("a_"):
            self.words_at.append(time.monotonic())
        super()._update_and_wake(keep, value)


@dataclass(frozen=True)
class Asked:
    began_at: float
    ended_at: float
    answered_at: float | None


class Talker:
    """One person in one module: asks until cancelled, rejoins when the connection is lost."""

    def __init__(self, account: Account, module: dict[str, Any], phrases: list[str]) -> None:
        self.account = account
        self.module = module
        self.connections: list[LightLearner] = []
        self.asked: list[Asked] = []
        self.joined = asyncio.Event()
        self._phrases = phrases
        self._random = random.Random(account.name)  # noqa: S311 not a secret

    @property
    def newest_connection(self) -> LightLearner:
        return self.connections[-1]

    async def run(self) -> None:
        while True:
            if not self.connections or self.newest_connection.lost:
                await self.rejoin()
            with contextlib.suppress(Exception):  # whatever broke, it rejoins
                await self.ask_one_question()
                await asyncio.sleep(self._random.uniform(0.5, 3.0))

    async def rejoin(self) -> None:
        """Joins through the token endpoint; retries while the servers are away."""
        self.joined.clear()
        if self.connections:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.newest_connection.leave(), 3)
        while True:
            learner = LightLearner(self.account)
            try:
                await asyncio.wait_for(learner.join(self.module["id"]), JOIN_S)
            except (AssertionError, httpx.HTTPError, rtc.ConnectError, TimeoutError):
                await asyncio.sleep(RETURN_PAUSE_S)
                continue
            self.connections.append(learner)
            self.joined.set()
            return

    async def ask_one_question(self) -> None:
        learner, phrase = self.newest_connection, self._random.choice(self._phrases)
        samples = resampled(await synthesise_cached(phrase), VOICE_RATE, RATE)
        began, ended = await asyncio.wait_for(learner.play(samples), 10)
        answered_at = None
        with contextlib.suppress(AssertionError):
            await learner.until(
                lambda: learner.lost or learner.tutor_captions(ended), PATIENCE_S, "an answer"
            )
        if answers := learner.tutor_captions(ended):
            answered_at = answers[0].first_at
        self.asked.append(Asked(began, ended, answered_at))

    async def wait_for_answer_time(self, since: float) -> float:
        while True:
            for one in self.asked:
                if one.began_at > since and one.answered_at is not None:
                    return one.answered_at
            await asyncio.sleep(0.1)

    def heard_segments(self) -> set[tuple[str, str]]:
        """Session id and segment id of each final caption of this learner."""
        return {
            (one.session_id, caption.segment_id)
            for one in self.connections
            for caption in one.own_captions()
            if caption.final
        }

    def tutor_captions(self) -> list[Caption]:
        said = [caption for one in self.connections for caption in one.tutor_captions()]
        return sorted(said, key=lambda caption: caption.first_at)

    def first_words_after(self, moment: float) -> float | None:
        """When the tutor's first words after a moment arrived, if any."""
        times = [at for one in self.connections for at in one.words_at if at > moment]
        return min(times, default=None)
