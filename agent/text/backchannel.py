"""Backchannels: what listeners say to show that they follow, without wanting to speak."""

import itertools
import re

from courses.sentences import split_sentences

MAX_WORDS = 6
MAX_CHARS = 100
MAX_PHRASE = 3  # words
FEW_WORDS = 4  # an answer to a question may come while the tutor goes on with them

# with every letter once: "mmm hmm" is "m hm"
_SOUNDS = frozenset(
    {"m", "hm", "mh", "mhm", "mhmh", "hmhm", "uh", "um", "uhm", "ah", "aha", "oh", "eh", "er"}
    | {"erm", "uhuh", "uhum", "huh", "ha", "ehm"}
)
_PHRASES = frozenset(
    {"okay", "ok", "okey", "alright", "all right", "yes", "yeah", "yea", "yep", "yup", "right"}
    | {"sure", "exactly", "true", "indeed", "correct", "good", "very good", "great", "nice", "cool"}
    | {"fine", "wow", "really", "interesting", "i see", "got it", "i got it", "of course"}
    | {"makes sense", "that makes sense", "sounds good", "i understand", "understood"}
)
_WORDS = re.compile(r"[^\W_]+")


def is_backchannel(text: str) -> bool:
    """Whether there are words, and all of them are backchannels."""
    words = _WORDS.findall(text.lower()) if len(text) <= MAX_CHARS else []
    if not 0 < len(words) <= MAX_WORDS:
        return False
    while words:
        known = _known_words_in_front(words)
        if known == 0:
            return False
        words = words[known:]
    return True


def _known_words_in_front(words: list[str]) -> int:
    if "".join(letter for letter, _ in itertools.groupby(words[0])) in _SOUNDS:
        return 1
    lengths = range(min(MAX_PHRASE, len(words)), 0, -1)
    return next((length for length in lengths if " ".join(words[:length]) in _PHRASES), 0)


def has_just_asked(heard: str, planned: str) -> bool:
    """Whether a text is a question where it is now, or was one a few words ago.

    `heard` is the part of the planned text that was spoken so far.
    """
    begin, before = 0, ""
    for sentence in split_sentences(planned):
        end = begin + len(sentence)
        if end >= len(heard):
            few = len(heard[begin:].split()) <= FEW_WORDS
            return _is_question(sentence) or (few and _is_question(before))
        begin, before = end, sentence
    return False


def _is_question(sentence: str) -> bool:
    return sentence.rstrip("\"'\u201d\u2019) \n").endswith("?")
