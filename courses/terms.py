"""The terms of a lesson: rare words and names that a recogniser of speech should expect."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from courses.lexemes import content_words

MAX_TERMS = 80
MAX_NAMES = 16
MIN_LETTERS, MAX_LETTERS = 4, 24
LONG = 9  # letters: worth expecting even if the texts have it once
MAX_CHARS = 60_000  # about an hour of captions

_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE_ENDS = frozenset(".!?:\n#*-|")


def pick_lesson_terms(headings: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Words as they are written, the most important first.

    They are the words of headings (titles and objectives), then names in the texts, then other
    words of the texts that are long or repeated.
    """
    heading, text = "\n".join(headings), "\n".join(texts)[:MAX_CHARS]
    counted = Counter(_find_words(text))
    names = list(_find_names(text))
    often = [word for word, count in counted.most_common() if count > 1 or len(word) >= LONG]
    return _keep_once([*_find_words(heading), *names, *often])[:MAX_TERMS]


def pick_names(people: Iterable[str]) -> tuple[str, ...]:
    """First and last names. Only letters, so no name that somebody has chosen is a sentence."""
    words = [word for name in people for word in _WORD.findall(name)[:2]]
    return _keep_once(word for word in words if 2 < len(word) <= MAX_LETTERS)[:MAX_NAMES]


def _find_words(text: str) -> Iterator[str]:
    """Content words, in lower case unless they are written like NumPy."""
    found = _WORD.findall(text)
    content = {word for word in set(found) if _is_term(word)}
    for word in found:
        if word in content:
            yield word if _is_mixed_case(word) else word.lower()


def _find_names(text: str) -> Iterator[str]:
    """Words with a capital letter that do not begin a sentence."""
    for match in _WORD.finditer(text):
        word = match[0]
        before = text[max(0, match.start() - 8) : match.start()].rstrip(" \"'([`_")
        if word[0].isupper() and before and before[-1] not in _SENTENCE_ENDS and _is_term(word):
            yield word


def _is_term(word: str) -> bool:
    return MIN_LETTERS <= len(word) <= MAX_LETTERS and bool(content_words(word))


def _is_mixed_case(word: str) -> bool:
    return word[1:] != word[1:].lower()


def _keep_once(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once, in its first place, however it is written there."""
    kept: dict[str, str] = {}
    for word in words:
        kept.setdefault(word.lower(), word)
    return tuple(kept.values())
