"""The model: PCM of one utterance in, plausible text out."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from speech.decoder import Decoded, Decoder, Sound
from speech.levels import Samples
from speech.sound_or_noise import (
    MIN_VOICED_S,
    Evidence,
    LoudPart,
    Verdict,
    find_loud_part,
    judge_text,
)
from speech.wire import MAX_AUDIO_S, MAX_PCM_BYTES, RATE, Recognition, Span

# silence around the sound: with less the first word is lost, with more the last one is doubled
MARGIN_SAMPLES = RATE // 4
# a window may be this much longer for a batch: what it costs is less than what the batch saves
BATCH_FRAMES = 200


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


@dataclass(frozen=True)
class Utterance:
    """Sound that may be speech. `samples` start `start_s` after the first sample of the request."""

    samples: Samples
    options: DecodeOptions
    voiced_s: float
    start_s: float
    audio_s: float
    window: int  # frames

    def can_share_batch(self, other: "Utterance") -> bool:
        return abs(self.window - other.window) <= BATCH_FRAMES


class Engine:
    """One loaded model. Everything but `find_utterance` blocks; `workers` threads may call it."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        whole_windows: bool = False,
        device: str = "cpu",
        compute_type: str = "int8",
    ) -> None:
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type=compute_type,
            cpu_threads=1,
            num_workers=workers,
        )
        self._decoder = Decoder(model, whole_windows=whole_windows)

    def warm_up(self) -> None:
        """Decodes a second of silence, so that the first learner need not wait for it."""
        self._decoder.decode([Sound(np.zeros(RATE, np.float32), "en")])

    def recognise(self, pcm: bytes, options: DecodeOptions) -> Recognition:
        """The text of int16 mono PCM at 16 kHz. Raises TooLong above 29.5 s."""
        utterance = self.find_utterance(pcm, options)
        if isinstance(utterance, Recognition):
            return utterance
        return self.recognise_batch([utterance])[0]

    def find_utterance(self, pcm: bytes, options: DecodeOptions) -> Utterance | Recognition:
        """What to decode, or an empty recognition of silence. Raises TooLong above 29.5 s."""
        if len(pcm) > MAX_PCM_BYTES:
            raise TooLong(f"{len(pcm) / 2 / RATE:.1f} s of audio, at most {MAX_AUDIO_S} s")
        samples = pcm_to_samples(pcm)
        sound = find_loud_part(samples)
        audio_s = len(samples) / RATE
        if sound.voiced_s < MIN_VOICED_S:
            return Recognition("", "", 0.0, audio_s, decode_s=0.0)
        padded = pad_with_silence(samples, sound)
        return Utterance(
            padded,
            options,
            voiced_s=sound.voiced_s,
            start_s=(sound.start - MARGIN_SAMPLES) / RATE,
            audio_s=audio_s,
            window=self._decoder.first_window(padded),
        )

    def recognise_batch(
        self, utterances: Sequence[Utterance], is_unwanted: Callable[[], bool] = lambda: False
    ) -> list[Recognition]:
        """The texts of utterances that can share a batch.

        Raises Unwanted between two steps once `is_unwanted` says so.
        """
        began = time.perf_counter()
        sounds = [Sound(one.samples, one.options.language) for one in utterances]
        decoded = self._decoder.decode(sounds, is_unwanted)
        return [
            self._make_recognition(utterance, found, time.perf_counter() - began)
            for utterance, found in zip(utterances, decoded, strict=True)
        ]

    def _make_recognition(
        self, utterance: Utterance, decoded: Decoded, decode_s: float
    ) -> Recognition:
        audio_s = utterance.audio_s
        verdict = judge_decoded(decoded, utterance.voiced_s)
        if verdict != "words":
            return Recognition(
                text="",
                language=decoded.likeliest_language if verdict == "foreign" else "",
                confidence=0.0,
                audio_s=audio_s,
                decode_s=decode_s,
                not_understood=verdict in ("foreign", "unclear"),
            )
        decoded = self._decoder.put_in_hotwords(decoded, utterance.options.hotwords)
        words = self._decoder.time_words(decoded) if utterance.options.words else []
        return Recognition(
            text=decoded.text,
            language=decoded.language,
            confidence=min(1.0, math.exp(decoded.logprob)),
            audio_s=audio_s,
            decode_s=decode_s,
            words=tuple(
                Span(
                    word.text,
                    clip_time(word.start_s + utterance.start_s, audio_s),
                    clip_time(word.end_s + utterance.start_s, audio_s),
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
