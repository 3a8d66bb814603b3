"""Keeps silence and noise from becoming text. Pure functions."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speech.wire import RATE

Samples = npt.NDArray[np.float32]

FRAME_SAMPLES = RATE // 50  # 20 ms
FLOOR_RMS = 10 ** (-50 / 20)  # of full scale: anything quieter is a microphone's own noise
DYNAMIC_RANGE = 10 ** (-30 / 20)  # frames this far below the loudest one are pauses
MIN_VOICED_S = 0.1  # the shortest word is about twice as long, a click much shorter
SHORT_S = 0.3  # one syllable or less: believed only if it is very clear

MAX_NO_SPEECH = 0.6
MIN_LOGPROB = -1.0
MAX_NO_SPEECH_SHORT = 0.2
MIN_LOGPROB_SHORT = -0.5
MAX_COMPRESSION = 2.4
MAX_WORDS_PER_S = 8.0
MAX_REPEATS = 3  # people say "no no no"; a fourth time is a model in a loop


@dataclass(frozen=True)
class LoudPart:
    """The part that is louder than the room, in samples; `end` is exclusive."""

    voiced_s: float
    start: int
    end: int


def find_loud_part(samples: Samples) -> LoudPart:
    count = len(samples) // FRAME_SAMPLES
    if count == 0:
        return LoudPart(0.0, 0, 0)
    frames = samples[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero(level > max(FLOOR_RMS, float(level.max()) * DYNAMIC_RANGE))
    if not len(loud):
        return LoudPart(0.0, 0, 0)
    end = (int(loud[-1]) + 1) * FRAME_SAMPLES
    return LoudPart(len(loud) * FRAME_SAMPLES / RATE, int(loud[0]) * FRAME_SAMPLES, end)


def is_believable(
    text: str, *, no_speech: float, logprob: float, compression: float, voiced: float
) -> bool:
    """Whether somebody could have said this text, by the model's confidence and the length.

    `no_speech` is a probability, `logprob` the mean per token (0 is certain), `compression` the
    gzip ratio of the text, and `voiced` the seconds of sound.
    """
    short = voiced < SHORT_S
    if no_speech > (MAX_NO_SPEECH_SHORT if short else MAX_NO_SPEECH):
        return False
    if logprob < (MIN_LOGPROB_SHORT if short else MIN_LOGPROB):
        return False
    if compression > MAX_COMPRESSION or has_repeating_words(text):
        return False
    return len(text.split()) <= max(1.0, voiced * MAX_WORDS_PER_S)


def has_repeating_words(text: str) -> bool:
    """Whether a group of one to five words occurs more than three times in a row."""
    words = re.findall(r"\w+", text.lower())
    for size in range(1, 6):
        streak = 0  # consecutive words equal to the word `size` earlier
        for word, earlier in zip(words[size:], words, strict=False):
            streak = streak + 1 if word == earlier else 0
            if streak >= size * MAX_REPEATS:
                return True
    return False
