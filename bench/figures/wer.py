"""Word error rate with real weights, beside faster-whisper's defaults on the same sound.

The whole set, 200 sentences of each kind, takes about an hour at first because of the baseline,
whose texts are kept: `--sentences 207`.
"""

import argparse
import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bench.baselines.faster_whisper_texts import FasterWhisperTexts
from bench.models import whisper_folder
from bench.registry import FASTER_WHISPER
from bench.result import Measured, Summary, summarise
from bench.spoken import (
    Clip,
    list_lesson_sentences,
    list_sentences,
    pick_evenly,
    put_in_room,
    read_recordings,
    speak_with_espeak,
    speak_with_piper,
)
from bench.word_errors import Counted, compare, count_errors, resample_rates
from speech.engine import DecodeOptions, Engine

NOISES_DB = {"noise_20": 20.0, "noise_10": 10.0, "noise_5": 5.0}
FAST, SLOW = 0.7, 1.5  # of the normal length
KINDS = ("piper", "espeak", *NOISES_DB, "fast", "slow", "terms")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base", help="base, tiny.en or a folder")
    parser.add_argument("--sentences", type=int, default=10, help="of each kind")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: all")
    parser.add_argument("--audio", type=Path, help="folder of your WAV files, each with a TXT")


async def run(arguments: argparse.Namespace) -> Measured:
    if arguments.audio:
        clips = {"audio": read_recordings(arguments.audio)}
    else:
        kinds = arguments.kind or KINDS
        clips = {kind: await speak_clips(kind, arguments.sentences) for kind in kinds}
    return await asyncio.to_thread(measure, clips, whisper_folder(arguments.model))


async def speak_clips(kind: str, count: int) -> list[Clip]:
    texts = list_sentences()
    if kind == "terms":
        texts = [sentence.text for sentence in list_lesson_sentences()]
    texts = pick_evenly(texts, count)
    if kind == "espeak":
        spoken = await speak_with_espeak(texts, voice="en-us")
    else:
        scale = {"fast": FAST, "slow": SLOW}.get(kind, 1.0)
        spoken = await asyncio.to_thread(speak_with_piper, texts, length_scale=scale)
    return [
        Clip(text, put_in_room(pcm, snr_db=NOISES_DB.get(kind), seed=seed))
        for seed, (text, pcm) in enumerate(zip(texts, spoken, strict=True))
    ]


def measure(clips: dict[str, list[Clip]], model: Path) -> Measured:
    engine, baseline = Engine(model), FasterWhisperTexts(model)
    began = time.process_time()
    ours = {kind: recognise(engine, of_kind) for kind, of_kind in clips.items()}
    cpu_s = time.process_time() - began
    theirs = {
        kind: [count_errors(clip.text, baseline.transcribe(clip.pcm)) for clip in of_kind]
        for kind, of_kind in clips.items()
    }
    first = next(iter(clips))
    return Measured(
        unit="%",
        ours=summarise_rate(ours[first]),
        baselines={FASTER_WHISPER: summarise_rate(theirs[first])},
        quality={kind: asdict(compare(ours[kind], theirs[kind])) for kind in clips},
        cpu_s={"ours": cpu_s},
    )


def recognise(engine: Engine, clips: Iterable[Clip]) -> list[Counted]:
    options = DecodeOptions()
    return [
        count_errors(clip.text, engine.recognise(clip.pcm.tobytes(), options).text)
        for clip in clips
    ]


def summarise_rate(counted: list[Counted]) -> Summary:
    """Of the bootstrap samples; `n` is the number of sentences."""
    rates = summarise(resample_rates(counted))
    return Summary(rates.p50, rates.p95, len(counted), rates.spread)
