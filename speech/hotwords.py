"""Rare words that may have been said, put in where the text sounds like one of them.

The decoder never sees them, so they cannot take it over. They only propose another text for words
that the model doubts, and the sound decides between the two.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from rapidfuzz.distance import Levenshtein

MAX_HOTWORDS = 100
MIN_LETTERS = 8  # of a hotword that is no name: shorter ones sound like too much else
MIN_SOUNDS = 4  # of any hotword: "Anh" sounds like "in", and "Amy" like "am"
MAX_SPAN = 4  # words that are heard instead of one: "back prop a gation"
MIN_LIKENESS = 0.65  # of two spellings by sound, 0 to 1
MIN_LIKENESS_JOINED = 0.84  # of several words to one: "transport the" is not "transpose"
MAX_PROPOSALS = 4  # to be compared with the sound, which takes about 15 ms each
DOUBT = 0.5  # a word is doubtful if one of its tokens has a lower probability
CERTAIN = 0.7  # and certain if all have a higher one: it is not replaced
MAX_LOSS = 3.0  # in nats: by how much a text with a hotword may be less likely

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_ALIKE = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph|gh(?=t)", "f"), (r"ght", "t"), (r"kn", "n"), (r"wh", "w"), (r"ck|q|c(?![eiy])", "k"),
        (r"x", "ks"), (r"[cz]", "s"), (r"j|g(?=[eiy])", "j"), (r"th", "t"), (r"h", ""),
        (r"[aeiouyw]+", "a"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class ScoredWord:
    """A word of a text, as it is there, with the probabilities of its tokens."""

    text: str
    probabilities: tuple[float, ...]

    @property
    def logprob(self) -> float:
        return sum(math.log(max(one, 1e-9)) for one in self.probabilities)

    @property
    def lowest(self) -> float:
        return min(self.probabilities)


Score = Callable[[str], Sequence[ScoredWord]]  # the words of a text, by the sound


@dataclass(frozen=True)
class Proposal:
    """A hotword in place of text[start:end], which sounds like it."""

    hotword: str
    start: int
    end: int
    likeness: float

    def overlaps(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end

    def put_in(self, text: str) -> str:
        return text[: self.start] + self.hotword + text[self.end :]


@dataclass(frozen=True)
class _Span:
    """A part of a text, of some words."""

    start: int
    end: int
    words: int


def put_in_hotwords(text: str, hotwords: Iterable[str], score: Score) -> str:
    """The text with the hotwords that the sound supports.

    A hotword replaces words that sound like it, of which the model doubts one and is certain of
    none, if the text with it is likely enough.
    """
    proposals = propose_hotwords(text, hotwords)
    if not proposals:
        return text
    words = score(text)
    words_in_text = list(_find_words_in_text(text, words))
    likely = sum(word.logprob for word in words) - MAX_LOSS
    possible = [one for one in proposals if _is_possible(one, words_in_text)]
    kept: list[Proposal] = []
    for one in possible[:MAX_PROPOSALS]:
        if any(one.overlaps(other.start, other.end) for other in kept):
            continue
        if sum(word.logprob for word in score(one.put_in(text))) >= likely:
            kept.append(one)
    for one in sorted(kept, key=lambda one: -one.start):
        text = one.put_in(text)
    return text


def propose_hotwords(text: str, hotwords: Iterable[str]) -> list[Proposal]:
    """The likeliest first. None for a hotword that is in the text."""
    words = list(_WORD.finditer(text))
    heard = {word[0].lower() for word in words}
    spans = [
        _Span(first.start(), last.end(), count)
        for at, first in enumerate(words)
        for count, last in enumerate(words[at : at + MAX_SPAN], start=1)
    ]
    sounds = [(span, spell_by_sound(text[span.start : span.end])) for span in spans]
    found = [
        _find_most_alike(hotword, sounds)
        for hotword in list(dict.fromkeys(hotwords))[:MAX_HOTWORDS]
        if _is_distinct(hotword) and hotword.lower() not in heard
    ]
    return sorted((one for one in found if one), key=lambda one: -one.likeness)


def _is_distinct(hotword: str) -> bool:
    is_long_or_name = len(hotword) >= MIN_LETTERS or hotword != hotword.lower()
    return is_long_or_name and len(spell_by_sound(hotword)) >= MIN_SOUNDS


def _find_most_alike(hotword: str, sounds: Iterable[tuple[_Span, str]]) -> Proposal | None:
    """The hotword in place of the part of a text that sounds most like it."""
    sound = spell_by_sound(hotword)
    likenesses = [(Levenshtein.normalized_similarity(other, sound), span) for span, other in sounds]
    possible = [
        (likeness, span)
        for likeness, span in likenesses
        if likeness >= (MIN_LIKENESS if span.words == 1 else MIN_LIKENESS_JOINED)
    ]
    if not possible:
        return None
    likeness, span = max(possible, key=itemgetter(0))
    return Proposal(hotword, span.start, span.end, likeness)


@dataclass(frozen=True)
class _WordInText:
    start: int
    end: int
    word: ScoredWord


def _find_words_in_text(text: str, words: Iterable[ScoredWord]) -> Iterator[_WordInText]:
    at = 0
    for word in words:
        bare = word.text.strip()
        start = text.find(bare, at)
        if bare and start >= 0:
            at = start + len(bare)
            yield _WordInText(start, at, word)


def _is_possible(proposal: Proposal, words_in_text: Iterable[_WordInText]) -> bool:
    """Whether the model doubts a word that would be replaced, and is certain of none of them.

    A certain word that is part of the hotword is no loss: "that propagation".
    """
    replaced = [one for one in words_in_text if proposal.overlaps(one.start, one.end)]
    hotword = proposal.hotword.lower()
    lost = [one for one in replaced if _letters(one.word.text) not in hotword]
    return any(one.word.lowest < DOUBT for one in replaced) and all(
        one.word.lowest <= CERTAIN for one in lost
    )


def _letters(text: str) -> str:
    return re.sub(r"[\W\d_]", "", text.lower())


def spell_by_sound(text: str) -> str:
    """A rough spelling that words which sound alike share. All vowels are one."""
    letters = _letters(text)
    for pattern, sound in _ALIKE:
        letters = pattern.sub(sound, letters)
    return letters
