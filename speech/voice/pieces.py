"""Cuts spoken text into pieces, so that the first one is heard soon. Pure functions.

A piece ends where a speaker would breathe: at a comma, before a conjunction, at the end of a
phrase; never inside a formula or a number.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

FIRST_WORDS = range(3, 7)
FIRST_BEFORE_COMMA = 2  # "Hello Amina," is a piece
SHORT_SENTENCE = 7  # words: not worth a cut
MOST_WORDS = 14  # of a later piece, if it can be cut there
LONGEST = 40  # cut anywhere: nobody speaks that long in one breath
PAUSES_S = {",": 0.10, ";": 0.12, ":": 0.12, ".": 0.28, "?": 0.28, "!": 0.28}

CONJUNCTIONS = frozenset(
    {
        "and", "but", "or", "nor", "so", "yet", "because", "although", "though", "unless", "until",
        "while", "whereas", "since", "that", "which", "who", "whose", "when", "where", "whether",
        "than", "as", "before", "after", "with", "without", "during", "between", "through", "into",
    }
)  # fmt: skip
# before these a phrase may end, if it must
PHRASE_STARTS = frozenset(
    {
        "is", "are", "was", "were", "has", "have", "had", "can", "could", "will", "would", "must",
        "may", "might", "should", "does", "do", "did", "in", "on", "at", "by", "for", "from", "to",
    }
)  # fmt: skip
MATHS = frozenset(
    {
        "plus", "minus", "times", "equals", "equal", "over", "squared", "cubed", "sub", "point",
        "percent", "root", "power", "sum", "product", "integral", "derivative", "limit", "prime",
        "factorial", "hat", "bar", "transposed", "inverse", "hundred", "thousand", "million",
        "billion", "dot", "dash", "vector", "matrix",
    }
)  # fmt: skip
WORD = re.compile(r"\S+")


class Break(IntEnum):
    NONE = 0
    WEAK = 1
    PHRASE = 2
    COMMA = 3
    STOP = 4


@dataclass(frozen=True)
class Piece:
    """`end` is where it ends in the whole text; the pause follows it."""

    text: str
    end: int
    pause_s: float


def split_pieces(text: str, *, at_once: bool) -> list[Piece]:
    """The pieces of a text, in order. With `at_once`, the first one is short."""
    words = list(WORD.finditer(text))
    breaks = find_breaks([word[0] for word in words])
    pieces: list[Piece] = []
    begin = 0
    while begin < len(words):
        rest = breaks[begin:]
        count = first_length(rest) if at_once and not pieces else later_length(rest)
        last = words[begin + count - 1]
        spoken = text[words[begin].start() : last.end()]
        pieces.append(Piece(spoken, last.end(), PAUSES_S.get(spoken.rstrip("\"')")[-1:], 0.0)))
        begin += count
    return pieces


def find_breaks(words: list[str]) -> list[Break]:
    """How well the text can be cut behind each word; behind the last one it ends."""
    found = [find_break(word, following) for word, following in pairwise(words)]
    return [*found, Break.STOP] if words else []


def find_break(word: str, following: str) -> Break:
    mark = word.rstrip("\"')")[-1:]
    before, after = word.strip(",;:.?!\"'()").lower(), following.strip(",;:.?!\"'()").lower()
    in_formula = is_part_of_formula(before), is_part_of_formula(after)
    if mark in ".?!" and mark:
        return Break.STOP
    if mark in ",;:" and mark:
        return Break.NONE if all(in_formula) else Break.COMMA
    if any(in_formula) or before in CONJUNCTIONS or before in PHRASE_STARTS:
        return Break.NONE
    if after in CONJUNCTIONS:
        return Break.PHRASE
    return Break.WEAK if after in PHRASE_STARTS else Break.NONE


def is_part_of_formula(word: str) -> bool:
    letter = len(word) == 1 and word not in ("a", "i")
    return not word or letter or word in MATHS or any(sign.isdigit() for sign in word)


def first_length(breaks: list[Break]) -> int:
    """How many words come first, given the breaks behind each."""
    if len(breaks) <= SHORT_SENTENCE:
        return next((n for n in range(1, len(breaks)) if breaks[n - 1] == Break.STOP), len(breaks))
    best = max(breaks[FIRST_WORDS.start - 1 : FIRST_WORDS.stop - 1])
    if best < Break.COMMA <= breaks[FIRST_BEFORE_COMMA - 1]:
        return FIRST_BEFORE_COMMA
    if best > Break.WEAK:
        return breaks.index(best, FIRST_WORDS.start - 1) + 1
    if best:
        return max(n for n in FIRST_WORDS if breaks[n - 1])
    return next_break(breaks, FIRST_WORDS.stop)


def later_length(breaks: list[Break]) -> int:
    if len(breaks) <= MOST_WORDS:
        return len(breaks)
    possible = breaks[FIRST_WORDS.start : MOST_WORDS]
    if best := max(possible):
        return MOST_WORDS - possible[::-1].index(best)  # the last one of the best
    return next_break(breaks, MOST_WORDS)


def next_break(breaks: list[Break], start: int) -> int:
    longest = min(LONGEST, len(breaks))
    return next((n for n in range(start, longest) if breaks[n - 1]), longest)
