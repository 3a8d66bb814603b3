"""Bodh's speech engine and the baselines, asked in turns by the same learners."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.models.recogniser import Recogniser
from bench.baselines.install import WHISPER_LIVE_KIT, WYOMING
from bench.baselines.transcriber import OFFLINE, Heard, ServerProcess, Transcriber, running_server
from bench.baselines.transcribers import BATCHED, running_transcribers
from bench.models import whisper_folder
from bench.registry import FASTER_WHISPER, OURS
from bench.result import Failed, Measured, Summary
from bench.spoken import Clip, list_sentences, pick_evenly, speak_with_piper
from bench.talkers import FinalsOnly, Recognised, talk_in_rooms
from bench.word_errors import count_errors, error_rate
from harness.voices import trimmed
from speech.client import SpeechClient, SpeechTimeout
from speech.wire import RATE

BEAM_SIZES: dict[str, float | str] = {
    OURS: 1,
    FASTER_WHISPER: 5,
    BATCHED: 5,
    WYOMING: 5,
    WHISPER_LIVE_KIT: 5,
}
# not WhisperLiveKit: one of its streams takes more than one core, so eight fall behind without end
MANY_ROOMS = (FASTER_WHISPER, BATCHED, WYOMING)
CLIPS_PER_ROOM = 3  # in each run


@dataclass
class Talked:
    """What one recogniser did in all runs. `cpu_per_s` has one value for each run."""

    recognised: list[Recognised] = field(default_factory=list)
    cpu_per_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    thrown_away: int = 0

    @property
    def word_error_rate(self) -> float:
        """In percent."""
        return error_rate([count_errors(one.clip.text, one.text) for one in self.recognised])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rooms", type=int, default=1)
    parser.add_argument("--model", default="base", help="a folder, or a name in .tools/models")


async def compare_recognisers(
    *, model: str, rooms: int, runs: int
) -> tuple[dict[str, Talked], dict[str, Failed]]:
    """Ours and each baseline, by name, and the baselines that cannot run."""
    folder = await asyncio.to_thread(whisper_folder, model)
    clips = await asyncio.to_thread(speak_clips, CLIPS_PER_ROOM * rooms * runs)
    async with (
        running_engine(folder) as (engine, client),
        running_transcribers(folder, () if rooms == 1 else MANY_ROOMS) as baselines,
    ):
        servers: dict[str, tuple[Transcriber, Recogniser]] = {OURS: (engine, client)}
        failed = {}
        for name, one in baselines.items():
            if isinstance(one, Failed):
                failed[name] = one
            else:
                servers[name] = (one, FinalsOnly(one))
        talked = {name: Talked() for name in servers}
        for run in range(runs):
            for name, (server, recogniser) in servers.items():
                await add_run(talked[name], server, recogniser, clips[run::runs], rooms)
        talked[OURS].thrown_away = (await client.health()).thrown_away
    return talked, failed


def report(
    unit: str, values: dict[str, Summary], talked: dict[str, Talked], failed: dict[str, Failed]
) -> Measured:
    """`values` are the figure itself, by recogniser."""
    baselines: dict[str, Summary | Failed] = {**values, **failed}
    return Measured(
        unit,
        ours=values[OURS],
        baselines={name: one for name, one in baselines.items() if name != OURS},
        quality={
            "thrown_away": talked[OURS].thrown_away,
            "word_error_rate": {name: one.word_error_rate for name, one in talked.items()},
            "beam_size": BEAM_SIZES,
        },
        cpu_s={name: one.cpu_s for name, one in talked.items()},
    )


def speak_clips(number: int) -> list[Clip]:
    texts = pick_evenly(list_sentences(), number)
    return [
        Clip(text, trimmed(pcm)) for text, pcm in zip(texts, speak_with_piper(texts), strict=True)
    ]


async def add_run(
    talked: Talked, server: Transcriber, recogniser: Recogniser, clips: list[Clip], rooms: int
) -> None:
    before = server.cpu_s()
    talked.recognised += await talk_in_rooms(recogniser, clips, rooms)
    used_s = server.cpu_s() - before
    talked.cpu_s += used_s
    talked.cpu_per_s.append(used_s / sum(len(clip.pcm) / RATE for clip in clips))


@asynccontextmanager
async def running_engine(folder: Path) -> AsyncIterator[tuple[ServerProcess, SpeechClient]]:
    """`python -m speech` with the weights of a folder."""
    with tempfile.TemporaryDirectory(prefix="engine-") as home:
        client = SpeechClient(Path(home) / "speech.sock")

        async def ask(pcm: bytes) -> Heard:
            try:
                found = await client.recognise(pcm, timeout_s=30.0)
            except SpeechTimeout as error:
                raise TimeoutError from error
            return Heard(found.text, found.decode_s)

        environment = os.environ | OFFLINE | {
            "BODH_HOME": home,
            "SPEECH_ADDRESS": f"{home}/speech.sock",
            "WHISPER_MODEL": str(folder),
        }  # fmt: skip
        async with running_server((sys.executable, "-m", "speech"), ask, environment) as server:
            yield server, client
        await client.aclose()
