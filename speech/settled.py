"""What is already known of an utterance that is still being said.

Words that two interims in a row agree on are settled (LocalAgreement), and the next interim
decodes only what comes after them. Pure functions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from speech.wire import Span

CUT_AFTER = (".", ",", "?", "!", ";", ":")  # speakers breathe there
PAUSE_S = 0.3
# lowered within a sentence: hardly ever names, unlike will, may and mark
SMALL_WORDS = frozenset(
    {
        "about", "after", "also", "an", "and", "are", "as", "at", "be", "because", "before",
        "but", "by", "can", "could", "did", "do", "does", "dont", "for", "from", "had", "has",
        "have", "he", "her", "here", "his", "how", "if", "in", "into", "is", "isnt", "it",
        "its", "lets", "like", "maybe", "my", "no", "not", "now", "of", "on", "only", "or",
        "our", "please", "she", "should", "since", "so", "some", "than", "that", "thats", "the",
        "their", "then", "there", "theres", "these", "they", "this", "those", "though", "to",
        "under", "until", "was", "we", "well", "were", "what", "whats", "when", "where",
        "whether", "which", "while", "who", "why", "with", "without", "would", "yes", "you",
        "your",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Settled:
    """`text` ends at `until_s`; `words` are what the last interim heard after it.

    Times are in seconds from the start of the utterance.
    """

    text: str = ""
    until_s: float = 0.0
    words: tuple[Span, ...] = ()


def settle(before: Settled, words: Sequence[Span]) -> Settled:
    """`before` with what an interim heard after it. Settles up to the last agreed pause."""
    agreed = count_agreed(before.words, words)
    agreed = min(agreed, len(words) - 1)  # the last word may go on
    while agreed > 0 and not is_pause(words[agreed - 1], words[agreed]):
        agreed -= 1
    if agreed <= 0:
        return Settled(before.text, before.until_s, tuple(words))
    text = join_texts(before.text, " ".join(word.text for word in words[:agreed]))
    return Settled(text, words[agreed - 1].end_s, tuple(words[agreed:]))


def is_pause(word: Span, following: Span) -> bool:
    return word.text.endswith(CUT_AFTER) or following.start_s - word.end_s >= PAUSE_S


def count_agreed(one: Sequence[Span], other: Sequence[Span]) -> int:
    """How many first words are the same but for case and punctuation."""
    for count, (a, b) in enumerate(zip(one, other, strict=False)):
        if bare_word(a.text) != bare_word(b.text):
            return count
    return min(len(one), len(other))


def bare_word(text: str) -> str:
    return re.sub(r"\W", "", text).lower()


def join_texts(settled: str, rest: str) -> str:
    """The model begins each text with a capital letter, also in the middle of a sentence.

    Only small words lose it: any other may be a name.
    """
    if not settled or not rest:
        return settled or rest
    first = rest.split()[0]
    is_small = bare_word(first) in SMALL_WORDS and first[1:].islower()  # "US" and "IT" stay
    if is_small and not settled.endswith((".", "?", "!")):
        rest = rest[0].lower() + rest[1:]
    return f"{settled} {rest}"
