"""Sentences for the benches of speech recognition, and the sound of them, kept in build/bench."""

import hashlib
import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from agent.models.espeak import RATE as ESPEAK_RATE
from agent.models.espeak import EspeakTTS
from harness.stack import ROOT
from harness.voices import resampled
from scripts.steps import TOOLS
from speech.wire import RATE

FOLDER = Path(__file__).parent
CACHE = ROOT / "build" / "bench" / "spoken"
PIPER_VOICE = TOOLS / "models" / "en_US-joe-medium" / "en_US-joe-medium.onnx"
BESIDE_S = 0.5  # of silence before and after what is said
PEAK = 0.5  # of full scale

Pcm = npt.NDArray[np.int16]
One = TypeVar("One")


@dataclass(frozen=True)
class Clip:
    """What is said, and its sound: mono at 16 kHz."""

    text: str
    pcm: Pcm


@dataclass(frozen=True)
class LessonSentence:
    """Something a learner says in a lesson of the sample course, with some of its terms."""

    lesson: str
    text: str


def list_sentences() -> list[str]:
    return (FOLDER / "sentences.txt").read_text().splitlines()


def list_lesson_sentences() -> list[LessonSentence]:
    return _read_lesson_sentences("terms.txt")


def list_near_misses() -> list[LessonSentence]:
    """Sentences with words that only sound like terms of the lesson."""
    return _read_lesson_sentences("near_terms.txt")


def _read_lesson_sentences(name: str) -> list[LessonSentence]:
    lines = (FOLDER / name).read_text().splitlines()
    return [LessonSentence(*(part.strip() for part in line.split("|"))) for line in lines]


def read_recordings(folder: Path) -> list[Clip]:
    """Each WAV file of the folder, with what is said in the TXT file of the same name."""
    return [
        Clip(path.with_suffix(".txt").read_text().strip(), read_wav(path))
        for path in sorted(folder.glob("*.wav"))
    ]


def pick_evenly(found: Sequence[One], count: int) -> list[One]:
    """`count` of them, spread over all."""
    count = min(count, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def speak_with_piper(texts: Sequence[str], *, length_scale: float = 1.0) -> list[Pcm]:
    """Speech at 16 kHz; `length_scale` above 1 is slow. Piper runs in a process of its own."""
    paths = [_cache_path("piper", PIPER_VOICE.name, f"{length_scale}", text) for text in texts]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    if missing:
        spoken = _run_piper([texts[index] for index in missing], length_scale)
        for index, pcm in zip(missing, spoken, strict=True):
            write_wav(paths[index], pcm)
    return [read_wav(path) for path in paths]


async def speak_with_espeak(texts: Sequence[str], *, voice: str, rate_wpm: int = 165) -> list[Pcm]:
    """Speech at 16 kHz. `voice` is a language, such as "en-us" or "de"."""
    paths = [_cache_path("espeak", voice, f"{rate_wpm}", text) for text in texts]
    engine = EspeakTTS(voice=voice, rate_wpm=rate_wpm)
    try:
        for path, text in zip(paths, texts, strict=True):
            if not path.exists():
                pcm = b"".join([chunk async for chunk in engine.synthesise_pcm(text)])
                write_wav(path, resampled(np.frombuffer(pcm, np.int16), ESPEAK_RATE, RATE))
    finally:
        await engine.aclose()
    return [read_wav(path) for path in paths]


def put_in_room(speech: Pcm, *, snr_db: float | None = None, seed: int = 0) -> Pcm:
    """The speech at a fixed level, with silence before and after it and white noise throughout."""
    beside = np.zeros(int(BESIDE_S * RATE))
    loud = speech / (float(np.abs(speech.astype(np.int32)).max()) or 1.0) * PEAK
    noise_level = 10 ** (-72 / 20)
    if snr_db is not None:
        voiced = loud[np.abs(loud) > PEAK / 100]
        noise_level = float(np.sqrt(np.mean(voiced**2))) * 10 ** (-snr_db / 20)
    room = np.concatenate([beside, loud, beside])
    room += np.random.default_rng(seed).normal(0, noise_level, len(room))
    pcm: Pcm = (np.clip(room, -1, 1) * 32_767).astype(np.int16)
    return pcm


def read_wav(path: Path) -> Pcm:
    """Mono samples at 16 kHz. Raises ValueError unless they have 16 bits."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path.name} has {8 * file.getsampwidth()} bits, not 16")
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        mono: Pcm = samples[:: file.getnchannels()]
        rate = file.getframerate()
    if rate != RATE:
        mono = resampled(np.ascontiguousarray(mono), rate, RATE)
    return mono


def _run_piper(texts: Sequence[str], length_scale: float) -> list[Pcm]:
    if not PIPER_VOICE.exists():
        raise FileNotFoundError(f"{PIPER_VOICE} is missing: run `make up` once")
    with tempfile.TemporaryDirectory(prefix="piper-") as folder:
        command = [
            sys.executable, "-m", "piper", "--model", str(PIPER_VOICE),
            "--length-scale", str(length_scale), "--output-dir", folder,
        ]  # fmt: skip
        subprocess.run(command, input="\n".join(texts), text=True, check=True, capture_output=True)
        paths = sorted(Path(folder).glob("*.wav"), key=lambda path: int(path.stem))  # named by time
        return [read_wav(path) for path in paths]


def _cache_path(*parts: str) -> Path:
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    return CACHE / f"{parts[0]}-{key}.wav"


def write_wav(path: Path, pcm: Pcm) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with wave.open(str(draft), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
    draft.replace(path)
