"""Where sentences end: in the passages of a course, and in a text that is still being written."""

import re
from collections.abc import Iterator

MAX_SENTENCE = 4000  # characters

# All patterns take linear time, because a learner may have written the text: see the note in
# agent/text/speakable.py.
_CLOSERS = "\"'\u201d\u2019)\\]"
# the escapes are full stops of Chinese, Hindi and Arabic; in a table, newlines end no sentence
_STOP = (
    rf"(?<![.!?\u2026])[.!?\u2026]++[{_CLOSERS}]*+(?=\s)"
    rf"|[\u3002\uff01\uff1f\u0964\u061f][{_CLOSERS}]*+|(?<!\|)\n"
)
# code and formulas; an open `$` lasts to the end of its line, but `$5` alone opens nothing
_FORMULA = (
    r"```.*?(?:```|\Z)|\$\$.*?(?:\$\$|\Z)|\$(?=\S)[^$\n]+?(?<=\S)\$(?!\d)"
    r"|\$(?=[^\s\d]|\d[\d.,]*+[^\s\d.,])[^\n]*\n?"
)
_FORMULA_OR_STOP = re.compile(rf"(?P<formula>{_FORMULA})|(?P<stop>{_STOP})", re.DOTALL)
_NEXT = re.compile(r"\S")
_LAST_STOP = re.compile(rf"[.!?\u2026\u3002\uff01\uff1f\u0964\u061f][{_CLOSERS}]*$")
_ABBREVIATION = re.compile(
    r"(?:(?<![^\W\d]\.)\b(?:[^\W\d]\.)++[^\W\d]|\b(?:vs|cf|approx|dr|mr|mrs|ms|prof|st))$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\b(?:no|fig|eq|sec|ch|p)$", re.IGNORECASE)  # if a number follows
_ITEM_NUMBER = re.compile(r"(?:^|\n)[ \t]*\d+$")
_MAY_GO_ON = re.compile(r"\d$|\b(?:\w|etc)$", re.IGNORECASE)  # 3.14, U.S., etc. and more
_MARK = re.compile(r"\[\[[\d.]+\]\]")
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+", re.MULTILINE)


def split_sentences(text: str) -> list[str]:
    """Splits text into sentences that join up to it again; the last one may be unfinished.

    White space belongs to the sentence after it. Text of more than MAX_SENTENCE characters without
    an end is cut between two words.
    """
    found: list[str] = []
    start, read, blank = 0, 0, True
    for end in _find_sentence_ends(text):
        blank, read = blank and text[read:end].isspace(), end
        if not blank:
            found += _cut_long_sentence(text[start:end])
            start, blank = end, True
    return [*found, *_cut_long_sentence(text[start:])] if start < len(text) or not found else found


def whole_sentences_length(text: str) -> int:
    """The length of the whole sentences at the start of a growing text.

    A full stop counts only once something follows it.
    """
    return max(_find_sentence_ends(text), default=0)


def is_unfinished(text: str) -> bool:
    """Whether a complete text stops in the middle of a sentence. Ignores citation marks."""
    words = _MARK.sub("", text).strip()
    return bool(words) and not _LAST_STOP.search(words)


def passage_sentences(markdown: str) -> list[str]:
    if _LIST_ITEM.match(markdown):
        items = [strip_markdown(item) for item in _LIST_ITEM.split(markdown)]
        return [item if item[-1] in ".!?" else item + "." for item in items if item]
    return [
        sentence.strip()
        for sentence in split_sentences(strip_markdown(markdown))
        if sentence.strip()
    ]


def strip_markdown(markdown: str) -> str:
    text = re.sub(r"!?\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*\)", r"\1", markdown)
    text = re.sub(r"(\*\*|__|`)", "", text)
    text = re.sub(r"(?<!\w)([*_])(?=\S)((?:(?!\1).)+?)(?<=\S)\1(?!\w)", r"\2", text)
    return " ".join(text.split())


def _find_sentence_ends(text: str) -> Iterator[int]:
    """Where sentences certainly end; never inside a formula or a code block."""
    for found in _FORMULA_OR_STOP.finditer(text):
        stop = found["stop"] or ""
        if stop[:1] in (".", "!", "?", "\u2026"):
            following = _NEXT.search(text, found.end())
            after = following[0] if following else ""
            before = text[max(0, found.start() - 20) : found.start()]
            if after.islower() or (stop[0] == "." and _is_abbreviation_or_number(before, after)):
                continue
        if stop:
            yield found.end()


def _cut_long_sentence(sentence: str) -> Iterator[str]:
    """Parts of at most MAX_SENTENCE characters, cut before white space if there is any."""
    while len(sentence) > MAX_SENTENCE:
        at = max(sentence.rfind(" ", 1, MAX_SENTENCE), sentence.rfind("\n", 1, MAX_SENTENCE))
        at = at if at > 0 and sentence[:at].strip() else MAX_SENTENCE
        yield sentence[:at]
        sentence = sentence[at:]
    yield sentence


def _is_abbreviation_or_number(before: str, after: str) -> bool:
    """Whether the full stop between the two belongs to an abbreviation or a number.

    `after` is the next character that is no white space.
    """
    if _ABBREVIATION.search(before) or _ITEM_NUMBER.search(before):
        return True
    if not after:
        return bool(_MAY_GO_ON.search(before) or _NUMBERED.search(before))
    return after[0].isdigit() and bool(_NUMBERED.search(before))
