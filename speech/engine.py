"""The model: PCM of one utterance in, plausible text out."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, Word

from speech.sound_or_noise import MIN_VOICED_S, LoudPart, Samples, find_loud_part, is_believable
from speech.wire import MAX_AUDIO_S, MAX_PCM_BYTES, RATE, Recognition, Span

# silence around the sound: with less the first word is lost, with more the last one is doubled
MARGIN_SAMPLES = RATE // 4


class TooLong(ValueError):
    pass


@dataclass(frozen=True)
class DecodeOptions:
    """How to decode. A `language` of None lets a multilingual model detect it."""

    language: str | None = "en"
    words: bool = False


class Engine:
    """One loaded model. `recognise` blocks; `threads` threads may call it at once."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        # one thread per decode: several would make short speech slower
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=threads
        )

    def warm_up(self) -> None:
        """Decodes a second of silence, so that the first learner need not wait for it."""
        self._decode(np.zeros(RATE, np.float32), DecodeOptions())

    def recognise(self, pcm: bytes, options: DecodeOptions) -> Recognition:
        """The text of int16 mono PCM at 16 kHz. Raises TooLong above 29.5 s."""
        if len(pcm) > MAX_PCM_BYTES:
            raise TooLong(f"{len(pcm) / 2 / RATE:.1f} s of audio, at most {MAX_AUDIO_S} s")
        began = time.perf_counter()
        samples = pcm_to_samples(pcm)
        sound = find_loud_part(samples)
        segments: list[Segment] = []
        language = options.language or "en"
        if sound.voiced_s >= MIN_VOICED_S:
            language, found = self._decode(pad_with_silence(samples, sound), options)
            segments = [
                segment for segment in found if is_believable_segment(segment, sound.voiced_s)
            ]
        audio_s, offset_s = len(samples) / RATE, (sound.start - MARGIN_SAMPLES) / RATE
        return Recognition(
            text=" ".join(segment.text.strip() for segment in segments),
            language=language,
            confidence=mean_confidence(segments),
            audio_s=audio_s,
            decode_s=time.perf_counter() - began,
            segments=clip_spans(segments, offset_s, audio_s),
            words=clip_spans((word for s in segments for word in s.words or ()), offset_s, audio_s),
        )

    def _decode(self, samples: Samples, options: DecodeOptions) -> tuple[str, list[Segment]]:
        segments, info = self._model.transcribe(
            samples,
            language=options.language,
            beam_size=1,
            temperature=0.0,  # no retries at higher ones: the guards drop bad guesses
            without_timestamps=True,
            condition_on_previous_text=False,
            word_timestamps=options.words,
        )
        return info.language, list(segments)


def pad_with_silence(samples: Samples, sound: LoudPart) -> Samples:
    start, end = sound.start - MARGIN_SAMPLES, sound.end + MARGIN_SAMPLES
    kept = samples[max(0, start) : end]
    return np.pad(kept, (max(0, -start), max(0, end - len(samples))))


def is_believable_segment(segment: Segment, voiced: float) -> bool:
    text = segment.text.strip()
    return bool(text) and is_believable(
        text,
        no_speech=segment.no_speech_prob,
        logprob=segment.avg_logprob,
        compression=segment.compression_ratio,
        voiced=voiced,
    )


def mean_confidence(segments: list[Segment]) -> float:
    if not segments:
        return 0.0
    tokens = [max(1, len(segment.tokens)) for segment in segments]
    total = sum(s.avg_logprob * n for s, n in zip(segments, tokens, strict=True))
    return min(1.0, math.exp(total / sum(tokens)))


def clip_spans(
    parts: Iterable[Segment | Word], offset_s: float, audio_s: float
) -> tuple[Span, ...]:
    return tuple(
        Span(
            text=(part.text if isinstance(part, Segment) else part.word).strip(),
            start_s=clip_time(part.start + offset_s, audio_s),
            end_s=clip_time(part.end + offset_s, audio_s),
        )
        for part in parts
    )


def clip_time(at_s: float, audio_s: float) -> float:
    return round(min(max(at_s, 0.0), audio_s), 3)


def pcm_to_samples(pcm: bytes) -> Samples:
    """Int16 PCM as floats from -1 to 1. Drops an odd last byte."""
    return np.frombuffer(pcm[: len(pcm) & ~1], np.int16).astype(np.float32) / np.float32(32768)
