"""Parts of the speech tests: an engine process, phrases as PCM, frames."""

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from livekit import rtc

from agent.models.espeak import RATE as VOICE_RATE
from agent.models.espeak import EspeakTTS
from harness.python_process import PythonProcess, run_python
from harness.voices import resampled
from speech.models import TEST_MODEL_FOLDER
from speech.wire import RATE

WAVS = {
    "repeat-last-part": "can you repeat the last part",
    "what-is-gradient-descent": "what is gradient descent",
    "my-answer-is-three": "my answer is three",
}
FRAME_S = 0.05


def recorded(name: str) -> bytes:
    """PCM at 16 kHz of one of the test model's examples."""
    with wave.open(str(TEST_MODEL_FOLDER / f"{name}.wav")) as file:
        return bytes(file.readframes(file.getnframes()))


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE))


def noise(seconds: float, level: float, seed: int = 1) -> bytes:
    """White noise; `level` is the standard deviation of its samples."""
    samples = np.random.default_rng(seed).normal(0, level, int(seconds * RATE))
    return np.clip(samples, -32768, 32767).astype(np.int16).tobytes()


async def said(voice: EspeakTTS, text: str) -> bytes:
    """PCM at 16 kHz of a text, spoken by eSpeak."""
    pcm = b"".join([chunk async for chunk in voice.synthesise_pcm(text)])
    samples: npt.NDArray[np.int16] = np.frombuffer(pcm, np.int16)
    return bytes(resampled(samples, VOICE_RATE, RATE))


def frames(pcm: bytes) -> list[rtc.AudioFrame]:
    """PCM at 16 kHz in frames of 50 ms. Drops an incomplete last frame."""
    size = 2 * int(FRAME_S * RATE)
    return [
        rtc.AudioFrame(pcm[at : at + size], RATE, 1, size // 2)
        for at in range(0, len(pcm) - size + 1, size)
    ]


OF_TEST = {"WHISPER_MODEL": "test", "SPEECH_ADDRESS": ""}


class EngineProcess(PythonProcess):
    """`python -m speech` with the test model, in a home folder of its own."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "speech", "speech ready", OF_TEST)

    @property
    def address(self) -> Path:
        return self.home / "run" / "speech.sock"


async def run_speech(home: Path, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
    """Starts `python -m speech` with the test model; its output is in a pipe."""
    environment = {"BODH_HOME": str(home), **OF_TEST, **settings}
    return await run_python("-m", "speech", *arguments, environment=environment)


@contextlib.asynccontextmanager
async def running_engine(home: Path) -> AsyncIterator[EngineProcess]:
    """An engine that is stopped at the end of the block."""
    engine = EngineProcess(home)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.end()
