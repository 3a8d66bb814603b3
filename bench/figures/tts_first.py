"""Text -> first sound: Piper in the voice process, against Piper as a user of LiveKit runs it."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit.agents import tts

from agent.models.piper import PiperTTS
from agent.talk.speaking import synthesise_sentences
from bench.baselines.piper_in_job import PiperInJob
from bench.cpu import cpu_between, cpu_s
from bench.result import Measured, summarise
from bench.spoken import PIPER_VOICE, list_lesson_sentences, list_sentences, pick_evenly
from harness.voice_process import default_voice, running_voice
from speech.voice.client import VoiceClient

IN_JOB = "piper-in-job"
SETTLE_S = 5.0  # the fixed lines are prepared after the start


@dataclass
class Times:
    first_ms: list[float] = field(default_factory=list)
    gaps_ms: list[float] = field(default_factory=list)  # the longest of each text
    sound_s: float = 0.0

    async def add(self, voice: tts.TTS[Any], text: str) -> None:
        """Speaks one text and notes how a listener would have heard it."""
        asked = time.perf_counter()
        dry_at = gap_s = 0.0  # when the listener has heard all that is there
        async for frame in synthesise_sentences(voice, written(text), lambda: None):
            now = time.perf_counter()
            if not dry_at:
                self.first_ms.append(1000 * (now - asked))
                dry_at = now
            gap_s = max(gap_s, now - dry_at)
            dry_at = max(dry_at, now) + frame.duration
            self.sound_s += frame.duration
        self.gaps_ms.append(1000 * gap_s)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--texts", type=int, default=100, help="of each voice in each run")


async def run(arguments: argparse.Namespace) -> Measured:
    sentences = [*list_sentences(), *(one.text for one in list_lesson_sentences())]
    texts = pick_evenly(sentences, arguments.texts)
    ours, theirs = Times(), Times()
    used: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bodh-voice-") as folder:
        async with running_voice(Path(folder)) as process:
            voice = PiperTTS(VoiceClient(process.address), default_voice())
            in_job = await asyncio.to_thread(PiperInJob.load, str(PIPER_VOICE))
            await asyncio.sleep(SETTLE_S)
            before = cpu_s([process.pid])
            for _ in range(arguments.runs):
                for text in texts:
                    await ours.add(voice, text)
                    await theirs.add(in_job, text)
            used["ours"] = cpu_between(before, cpu_s([process.pid]))
            await voice.aclose()
    return Measured(
        "ms",
        summarise(ours.first_ms),
        {IN_JOB: summarise(theirs.first_ms)},
        quality={
            "longest_gap_ms": max(ours.gaps_ms),
            "texts_with_a_gap": sum(gap > 0 for gap in ours.gaps_ms) / len(ours.gaps_ms),
            "cpu_s_per_s_of_sound": used["ours"] / ours.sound_s,
            IN_JOB: {"longest_gap_ms": max(theirs.gaps_ms)},
        },
        cpu_s=used,
    )


async def written(text: str) -> AsyncIterator[str]:
    yield text
