"""Spoken and printed English words: normal form, content words, stems."""

import re
from pathlib import Path

MAX_WORD = 40  # longer words have no English stem, and the patterns below are slow on them
MAX_CHARS = 2000  # of one question; the rest of a long text is ignored

_CONTRACTIONS = (
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\b(what|that|it|who|where|how|here|there)'s\b", r"\1 is"),
    (r"\b(what|that|who|where|how)s\b", r"\1 is"),
    (r"\blet's\b|\blets\b", "let us"),
    (r"\bi'm\b", "i am"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"'d\b", " would"),
    (r"'s\b", ""),
)

# words that surround a question but say nothing about its topic
_STOP = frozenset((Path(__file__).parent / "stop_words.txt").read_text().split())


def normalise(text: str) -> str:
    """Lower case, contractions expanded, no punctuation, single spaces. Reads MAX_CHARS."""
    text = text[:MAX_CHARS].lower().replace("\u2019", "'")
    for pattern, replacement in _CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    return " ".join(re.findall(r"[^\W_]+", text))


def content_words(text: str) -> list[str]:
    return [word for word in normalise(text).split() if word not in _STOP]


def lexemes(text: str) -> list[str]:
    return [stem(word) for word in content_words(text)]


def stem(word: str) -> str:
    """A light English stem: "overfitting" and "overfits" share one, and -ise becomes -ize."""
    if len(word) <= 3 or len(word) > MAX_WORD:
        return word
    word = re.sub(r"is(e|es|ed|ing|ation|ations)$", r"iz\1", word)
    word = re.sub(r"ices$", "ix", word)
    word = re.sub(r"ies$", "y", word)
    word = re.sub(r"(?<=[^siu])s$|(?<=ss)es$", "", word)
    if match := re.fullmatch(r"(\w*[aeiouy]\w{1,})(?:ing|ed)", word):
        word = re.sub(r"([^aeiouylsz])\1$", r"\1", match[1])
    return re.sub(r"e$", "", word) if len(word) > 4 else word
