"""Speech for tests: phrases spoken by eSpeak as 16-bit mono samples, cached in build/voices."""

import asyncio
import hashlib
import os
import wave
from pathlib import Path

import numpy as np
from livekit import rtc

from agent.models.espeak import RATE, EspeakTTS

CACHE = Path(__file__).parent.parent / "build" / "voices"
QUIET = 300  # of 32,768: below this a sample counts as silence


async def synthesise_cached(
    text: str, *, voice: str = "en-us", rate_wpm: int = 165
) -> "np.ndarray":
    """Samples at 22,050 Hz, without silence around them."""
    key = hashlib.sha256(f"{voice}:{rate_wpm}:{text}".encode()).hexdigest()[:20]
    path = CACHE / f"{key}.wav"
    if not path.exists():
        await _synthesise_to_cache(path, text, voice, rate_wpm)
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return trimmed(samples)


def trimmed(samples: "np.ndarray") -> "np.ndarray":
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > QUIET)
    return samples if not len(loud) else samples[loud[0] : loud[-1] + 1]


def resampled(samples: "np.ndarray", rate_in: int, rate_out: int) -> "np.ndarray":
    resampler = rtc.AudioResampler(rate_in, rate_out, quality=rtc.AudioResamplerQuality.HIGH)
    frame = rtc.AudioFrame(samples.tobytes(), rate_in, 1, len(samples))
    frames = [*resampler.push(frame), *resampler.flush()]
    return np.concatenate([np.frombuffer(one.data, np.int16) for one in frames])


async def _synthesise_to_cache(path: Path, text: str, voice: str, rate_wpm: int) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    engine = EspeakTTS(voice=voice, rate_wpm=rate_wpm)
    try:
        pcm = b"".join([chunk async for chunk in engine.synthesise_pcm(text)])
    finally:
        await engine.aclose()
    draft = path.with_suffix(f".{os.getpid()}-{id(asyncio.current_task())}")
    with wave.open(str(draft), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    draft.replace(path)
