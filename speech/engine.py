"""The model: PCM of one utterance in, plausible text out."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from speech.decoder import Decoded, Decoder
from speech.sound_or_noise import (
    MIN_VOICED_S,
    Evidence,
    LoudPart,
    Samples,
    Verdict,
    find_loud_part,
    judge_text,
)
from speech.wire import MAX_AUDIO_S, MAX_PCM_BYTES, RATE, Recognition, Span

# silence around the sound: with less the first word is lost, with more the last one is doubled
MARGIN_SAMPLES = RATE // 4


class TooLong(ValueError):
    pass


@dataclass(frozen=True)
class DecodeOptions:
    """How to decode. A `language` of None lets a multilingual model detect it.

    `hotwords` are rare words that may be said, the most important first.
    """

    language: str | None = "en"
    words: bool = False
    hotwords: tuple[str, ...] = ()


class Engine:
    """One loaded model. `recognise` blocks; `threads` threads may call it at once."""

    def __init__(self, folder: Path, *, threads: int = 1, whole_windows: bool = False) -> None:
        # one thread per decode: several would make short speech slower
        model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=threads
        )
        self._decoder = Decoder(model, whole_windows=whole_windows)

    def warm_up(self) -> None:
        """Decodes a second of silence, so that the first learner need not wait for it."""
        self._decoder.decode(np.zeros(RATE, np.float32), "en")

    def recognise(self, pcm: bytes, options: DecodeOptions) -> Recognition:
        """The text of int16 mono PCM at 16 kHz. Raises TooLong above 29.5 s."""
        if len(pcm) > MAX_PCM_BYTES:
            raise TooLong(f"{len(pcm) / 2 / RATE:.1f} s of audio, at most {MAX_AUDIO_S} s")
        began = time.perf_counter()
        samples = pcm_to_samples(pcm)
        sound = find_loud_part(samples)
        decoded = None
        if sound.voiced_s >= MIN_VOICED_S:
            decoded = self._decoder.decode(pad_with_silence(samples, sound), options.language)
        audio_s = len(samples) / RATE
        verdict = judge_decoded(decoded, sound.voiced_s) if decoded else "noise"
        if decoded is None or verdict != "words":
            return Recognition(
                text="",
                language=decoded.likeliest_language if verdict == "foreign" and decoded else "",
                confidence=0.0,
                audio_s=audio_s,
                decode_s=time.perf_counter() - began,
                not_understood=verdict in ("foreign", "unclear"),
            )
        decoded = self._decoder.put_in_hotwords(decoded, options.hotwords)
        words = self._decoder.time_words(decoded) if options.words else []
        start_s = (sound.start - MARGIN_SAMPLES) / RATE
        return Recognition(
            text=decoded.text,
            language=decoded.language,
            confidence=min(1.0, math.exp(decoded.logprob)),
            audio_s=audio_s,
            decode_s=time.perf_counter() - began,
            words=tuple(
                Span(
                    word.text,
                    clip_time(word.start_s + start_s, audio_s),
                    clip_time(word.end_s + start_s, audio_s),
                )
                for word in words
            ),
        )


def pad_with_silence(samples: Samples, sound: LoudPart) -> Samples:
    start, end = sound.start - MARGIN_SAMPLES, sound.end + MARGIN_SAMPLES
    kept = samples[max(0, start) : end]
    return np.pad(kept, (max(0, -start), max(0, end - len(samples))))


def judge_decoded(decoded: Decoded, voiced_s: float) -> Verdict:
    return judge_text(
        Evidence(
            decoded.text,
            no_speech=decoded.no_speech,
            logprob=decoded.logprob,
            compression=decoded.compression,
            voiced_s=voiced_s,
            language=decoded.language_share,
        )
    )


def clip_time(at_s: float, audio_s: float) -> float:
    return round(min(max(at_s, 0.0), audio_s), 3)


def pcm_to_samples(pcm: bytes) -> Samples:
    """Int16 PCM as floats from -1 to 1. Drops an odd last byte."""
    return np.frombuffer(pcm[: len(pcm) & ~1], np.int16).astype(np.float32) / np.float32(32768)
