"""Keeps silence and noise from becoming text. Pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from speech.levels import PAUSE_BELOW, Samples, frame_levels
from speech.wire import RATE

FRAME_SAMPLES = RATE // 50  # 20 ms
FLOOR_RMS = 10 ** (-50 / 20)  # of full scale: anything quieter is a microphone's own noise
MIN_VOICED_S = 0.1  # the shortest word is about twice as long, a click much shorter

# measured with base on synthesised sounds and speech: see docs/decisions/0011-phantom-text.md
MAX_NO_SPEECH = 0.6
MIN_LOGPROB = -1.0
MIN_LOGPROB_SHORT = -1.2  # the model is less sure of one or two words
MAX_COMPRESSION = 2.4
MAX_WORDS_PER_S = 8.0
MAX_REPEATS = 3  # people say "no no no"; a fourth time is a model in a loop
PHRASE_WORDS = 3  # different ones: enough to tell the language
MIN_LANGUAGE = 0.4  # probability that a phrase is in the language that was asked for
MIN_LANGUAGE_SHORT = 0.02  # the same of one or two words
NAMED_LANGUAGE = 0.5  # with noise, English is taken for many languages, and for none with this
MIN_SURE = -0.9  # log-probability less `no_speech`, if the model cannot tell languages apart
MIN_LOGPROB_SPEECH = -1.5  # noise gets text that is less likely than this
MAX_NO_SPEECH_SPEECH = 0.4

Verdict = Literal["words", "noise", "foreign", "unclear"]


@dataclass(frozen=True)
class LoudPart:
    """The part that is louder than the room, in samples; `end` is exclusive."""

    voiced_s: float
    start: int
    end: int


def find_loud_part(samples: Samples) -> LoudPart:
    levels = frame_levels(samples, FRAME_SAMPLES)
    loud = np.flatnonzero(levels > max(FLOOR_RMS, float(levels.max(initial=0.0)) * PAUSE_BELOW))
    if not len(loud):
        return LoudPart(0.0, 0, 0)
    end = (int(loud[-1]) + 1) * FRAME_SAMPLES
    return LoudPart(len(loud) * FRAME_SAMPLES / RATE, int(loud[0]) * FRAME_SAMPLES, end)


@dataclass(frozen=True)
class Evidence:
    """What the model says about a text, and how much sound there was.

    `no_speech` and `language` are probabilities: that nobody speaks, and that the language is the
    one asked for (1 if the model knows no other). `logprob` is the mean per token (0 is certain),
    `compression` the gzip ratio of the text, `voiced_s` the seconds of sound.
    """

    text: str
    no_speech: float
    logprob: float
    compression: float
    voiced_s: float
    language: float = 1.0


def judge_text(found: Evidence) -> Verdict:
    """What a text is worth.

    words    somebody could have said it
    noise    nobody has said anything
    foreign  somebody speaks, but another language
    unclear  somebody speaks, but it is not clear what they say
    """
    words = re.findall(r"\w+", found.text.lower())
    if not words or found.no_speech > MAX_NO_SPEECH or found.compression > MAX_COMPRESSION:
        return "noise"
    if has_repeating_words(found.text):
        return "noise"
    if len(found.text.split()) > max(1.0, found.voiced_s * MAX_WORDS_PER_S):
        return "noise"
    is_phrase = len({*words}) >= PHRASE_WORDS
    is_speech = found.logprob >= MIN_LOGPROB_SPEECH and found.no_speech <= MAX_NO_SPEECH_SPEECH
    if found.language < (MIN_LANGUAGE if is_phrase else MIN_LANGUAGE_SHORT):
        return "foreign" if is_speech else "noise"
    is_sure = found.logprob >= (MIN_LOGPROB if is_phrase else MIN_LOGPROB_SHORT)
    if is_phrase and found.language == 1:
        is_sure = is_sure and found.logprob - found.no_speech >= MIN_SURE
    if is_sure:
        return "words"
    return "unclear" if is_phrase and is_speech else "noise"


def name_language(shares: Mapping[str, float]) -> str:
    """The language with the highest probability; empty if it is not likely enough to be named."""
    likeliest = max(shares, key=lambda language: shares[language])
    return likeliest if shares[likeliest] >= NAMED_LANGUAGE else ""


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


def says_again(text: str) -> bool:
    """Whether the text ends with a copy of its beginning, or of the words before its end."""
    words = re.findall(r"\w+", text.lower())
    return any(
        words[-size:] in (words[:size], words[-2 * size : -size])
        for size in range(1, len(words) // 2 + 1)
    )
