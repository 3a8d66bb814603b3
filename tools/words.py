"""Words as learners say and lessons print them: normal form, lexemes, sentences, numbers. Pure."""

import re
from pathlib import Path

MAX_CHARS = 2000  # of one question; the rest of a pasted text is not read

NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
    *("ninth", "tenth", "eleventh", "twelfth"),
)

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

# said around a question without being what is asked for
_STOP = frozenset((Path(__file__).parent / "stop_words.txt").read_text().split())

_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|dr|mr|mrs|ms|prof|no|fig)\.$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+", re.MULTILINE)


def normal(text: str) -> str:
    """Lower case, contractions opened, punctuation gone, single spaces; at most MAX_CHARS long."""
    text = text[:MAX_CHARS].lower().replace("\u2019", "'")
    for pattern, replacement in _CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    return " ".join(re.findall(r"[^\W_]+", text))


def content_words(text: str) -> list[str]:
    """The words of a text that carry what it is about, in order, in normal form."""
    return [word for word in normal(text).split() if word not in _STOP]


def lexemes(text: str) -> list[str]:
    """The stems of the content words, in order."""
    return [stem(word) for word in content_words(text)]


def stem(word: str) -> str:
    """A light English stem: enough that "overfitting" meets "overfits", and -ise meets -ize."""
    if len(word) <= 3:
        return word
    word = re.sub(r"is(e|es|ed|ing|ation|ations)$", r"iz\1", word)
    word = re.sub(r"ices$", "ix", word)
    word = re.sub(r"ies$", "y", word)
    word = re.sub(r"(?<=[^siu])s$|(?<=ss)es$", "", word)
    if match := re.fullmatch(r"(\w*[aeiouy]\w{1,})(?:ing|ed)", word):
        word = re.sub(r"([^aeiouylsz])\1$", r"\1", match[1])
    return re.sub(r"e$", "", word) if len(word) > 4 else word


def plain(markdown: str) -> str:
    """Markdown prose as one line of text without its marks."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"(\*\*|__|`)", "", text)
    text = re.sub(r"(?<!\w)[*_](\S(?:.*?\S)?)[*_](?!\w)", r"\1", text)
    return " ".join(text.split())


def sentences(markdown: str) -> list[str]:
    """The sentences of a passage; each item of a list counts as one."""
    if _LIST_ITEM.match(markdown):
        items = [plain(item) for item in _LIST_ITEM.split(markdown)]
        return [item if item[-1] in ".!?" else item + "." for item in items if item]
    found: list[str] = []
    for piece in _SENTENCE_END.split(plain(markdown)):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + piece
        elif piece:
            found.append(piece)
    return found


def spoken(number: int) -> str:
    """A small number as a word: 4 -> "four"."""
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else str(number)


def number_in(text: str) -> int | None:
    """The first number in normal text, as digits, word or ordinal: "lesson two" -> 2."""
    for word in text.split():
        if word.isdecimal() and len(word) < 5:
            return int(word)
        if word in NUMBERS:
            return NUMBERS.index(word)
        if word in ORDINALS:
            return ORDINALS.index(word)
    return None


def listed(items: list[str]) -> str:
    """A spoken list: "a, b and c"."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def capital(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]
