"""Answers without a language model: ranks sentences of passages, picks the best or refuses. Pure.

The weights are tuned on the sample course, with the questions in
tests/agent/test_offline_tutor_answers.py.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import prompts
from courses.lexemes import content_words, lexemes, normalise, stem
from courses.library import PassageHit
from courses.sentences import passage_sentences
from tools.lessons import with_citation
from tools.phrasing import number_word

CURRENT_LESSON = 1.25  # a passage of the learner's lesson
OPENS_WITH_TERM = 2.0  # a sentence that begins with the asked term
DEFINES_TERM = 1.5  # and continues with "is" or "are"
WORD_PAIR = 0.75  # each pair of asked words side by side
HEADING_SHARE = 0.5  # share of a word's weight added if the heading has it too
MIN_EVIDENCE = 1.2  # summed weight of the asked words in the passage
MIN_SHARE = 0.5  # of the weight of all asked words: one word in common is not enough
MAX_SENTENCES = 3
MAX_WORDS = 75
MAX_ASKED = 40  # words of a question

_PRONOUN = re.compile(
    r"(it|its|this|that|these|those|they|he|she|such|both|here|there)\b", re.IGNORECASE
)
_EXAMPLE = re.compile(r"\b(for example|for instance|such as|suppose|imagine)\b", re.IGNORECASE)
_DEFINING_VERB = re.compile(r"\b(is|are|means|describes|says|measures)\b")


@dataclass(frozen=True)
class Vocabulary:
    """The lexemes of a course with their weights; rare ones weigh more (inverse frequency)."""

    weights: dict[str, float]
    forms: dict[str, frozenset[str]]  # the words of the course behind each lexeme
    rarest: float  # weight of a lexeme that one passage has, or none

    @classmethod
    def from_passages(cls, passages: Sequence[Mapping[str, str]]) -> "Vocabulary":
        """Each passage is given as its content words, with the lexeme of each."""
        total = len(passages)
        counts = Counter(lexeme for words in passages for lexeme in set(words.values()))
        forms: dict[str, set[str]] = {}
        for words in passages:
            for word, lexeme in words.items():
                forms.setdefault(lexeme, set()).add(word)
        return cls(
            {lexeme: log(1 + total / count) for lexeme, count in counts.items()},
            {lexeme: frozenset(words) for lexeme, words in forms.items()},
            rarest=log(1 + total),
        )

    def weight(self, lexeme: str) -> float:
        return self.weights.get(lexeme, self.rarest)


@dataclass(frozen=True)
class QuotedAnswer:
    hit: PassageHit
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        number, passage = self.hit.lesson_number, self.hit.passage.number
        return prompts.render(
            "passage_quoted",
            lesson=number_word(number),
            passage=number_word(passage),
            sentences=" ".join(with_citation(one, number, passage) for one in self.sentences),
        )


@dataclass(frozen=True)
class _RankedPassage:
    score: float
    hit: PassageHit
    at: int  # index of the best sentence
    sentences: list[str]


def compose_answer(
    question: str,
    hits: Sequence[PassageHit],
    vocabulary: Vocabulary,
    *,
    lesson_number: int = 0,
    example: bool = False,
) -> QuotedAnswer | None:
    asked = list(dict.fromkeys(lexemes(question)))
    ranked = [_rank_passage(asked, hit, vocabulary, lesson_number) for hit in hits]
    ranked = [
        one for one in ranked if one.sentences and _has_enough_evidence(asked, one.hit, vocabulary)
    ]
    if not ranked:
        return None
    best = max(ranked, key=lambda one: one.score)
    return QuotedAnswer(best.hit, _choose_sentences(best, example=example))


def passage_text(hit: PassageHit) -> str:
    return f"{hit.passage.heading} {hit.passage.body}"


def _has_enough_evidence(asked: list[str], hit: PassageHit, vocabulary: Vocabulary) -> bool:
    held = set(lexemes(passage_text(hit)))
    found = [word for word in asked if word in held and word in vocabulary.weights]
    evidence = sum(vocabulary.weight(word) for word in found)
    total = sum(vocabulary.weight(word) for word in asked)
    if evidence < MIN_EVIDENCE or evidence < MIN_SHARE * total:
        return False
    return (
        len(found) > 1
        or vocabulary.weight(found[0]) < vocabulary.rarest
        or _passage_is_about(found, hit)
    )


def _passage_is_about(found: list[str], hit: PassageHit) -> bool:
    starts = [lexemes(sentence)[:2] for sentence in passage_sentences(hit.passage.body)]
    return any(found[0] in words for words in [lexemes(hit.passage.heading), *starts])


def _rank_passage(
    asked: list[str], hit: PassageHit, vocabulary: Vocabulary, lesson_number: int
) -> _RankedPassage:
    found = passage_sentences(hit.passage.body) if hit.passage.kind == "text" else []
    scores = [_score_sentence(asked, sentence, vocabulary) for sentence in found]
    at = max(range(len(scores)), key=lambda i: (scores[i], -i), default=0)
    held, heading = set(lexemes(hit.passage.body)), set(lexemes(hit.passage.heading))
    score = max(scores, default=0.0)
    score += 0.5 * sum(vocabulary.weight(word) for word in asked if word in held)
    score += HEADING_SHARE * sum(vocabulary.weight(word) for word in asked if word in heading)
    score += CURRENT_LESSON if hit.lesson_number == lesson_number else 0.0
    return _RankedPassage(score, hit, at, found)


def _score_sentence(asked: list[str], sentence: str, vocabulary: Vocabulary) -> float:
    words = lexemes(sentence)
    score = sum(vocabulary.weight(word) for word in asked if word in words)
    pairs = set(pairwise(words))
    score += WORD_PAIR * sum(pair in pairs for pair in pairwise(asked))
    if asked and words[: len(asked)] == asked:
        score += OPENS_WITH_TERM
        subject = _DEFINING_VERB.split(normalise(sentence), maxsplit=1)[0]
        if lexemes(subject) == asked:
            score += DEFINES_TERM
    return score


def _choose_sentences(best: _RankedPassage, *, example: bool) -> tuple[str, ...]:
    """The best sentence and the next, and up to two before if they open with a pronoun."""
    first = best.at
    while first > 0 and best.at - first < 2 and _PRONOUN.match(best.sentences[first]):
        first -= 1
    chosen = best.sentences[first : best.at + 2]
    if example and not any(_EXAMPLE.search(one) for one in chosen):
        chosen = best.sentences[first : best.at + 1]
        chosen += [one for one in best.sentences if _EXAMPLE.search(one)][:1]
    chosen = chosen[:MAX_SENTENCES]
    while len(chosen) > 1 and sum(len(one.split()) for one in chosen) > MAX_WORDS:
        chosen = chosen[:-1]
    return tuple(chosen)


def correct_content_words(question: str, vocabulary: Vocabulary) -> str:
    return " ".join(
        _nearest_known_word(word, vocabulary) for word in content_words(question)[:MAX_ASKED]
    )


def search_words(question: str, vocabulary: Vocabulary) -> str:
    """All forms in the course of the question's words, because Postgres stems differently.

    Empty if the course has none of them.
    """
    forms = [vocabulary.forms.get(lexeme, ()) for lexeme in dict.fromkeys(lexemes(question))]
    return " ".join(word for words in forms for word in sorted(words))


def _nearest_known_word(word: str, vocabulary: Vocabulary) -> str:
    if stem(word) in vocabulary.weights or len(word) < 6:
        return word
    near = (lexeme for lexeme in vocabulary.weights if _is_one_edit_apart(stem(word), lexeme))
    lexeme = min(near, default=None)
    return word if lexeme is None else min(vocabulary.forms[lexeme])


def _is_one_edit_apart(a: str, b: str) -> bool:
    """Whether `a` becomes `b` by adding, dropping, changing or swapping letters once."""
    if abs(len(a) - len(b)) > 1 or a[:2] != b[:2] or len(b) < 5:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    x, y = a[start:], b[start:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[1::-1] == y[:2] and x[2:] == y[2:])
