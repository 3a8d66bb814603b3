"""Where sentences end: in the passages of a course, and in a text that is still being written."""

import re
from collections.abc import Iterator

_CLOSERS = "\"'\u201d\u2019)\\]"
# the escapes are full stops of Chinese, Hindi and Arabic; in a table, newlines end no sentence
_STOP = re.compile(
    rf"[.!?\u2026]+[{_CLOSERS}]*(?=\s)|[\u3002\uff01\uff1f\u0964\u061f][{_CLOSERS}]*|(?<!\|)\n"
)
_LAST_STOP = re.compile(rf"[.!?\u2026\u3002\uff01\uff1f\u0964\u061f][{_CLOSERS}]*$")
_ABBREVIATION = re.compile(
    r"\b(?:(?:[^\W\d]\.)+[^\W\d]|vs|cf|approx|dr|mr|mrs|ms|prof|st)$", re.IGNORECASE
)
_NUMBERED = re.compile(r"\b(?:no|fig|eq|sec|ch|p)$", re.IGNORECASE)  # if a number follows
_ITEM_NUMBER = re.compile(r"(?:^|\n)\s*\d+$")
_MAY_GO_ON = re.compile(r"\d$|\b(?:\w|etc)$", re.IGNORECASE)  # 3.14, U.S., etc. and more
_CLOSED = re.compile(r"```.*?```|\$\$.+?\$\$|\$(?=\S)[^$\n]+?(?<=\S)\$(?!\d)", re.DOTALL)
_OPEN = re.compile(r"```|\$\$|\$(?=[^\s\d]|\d[\d.,]*[^\s\d.,])[^\n]*\Z")  # but not $5 alone
_MARK = re.compile(r"\[\[[\d.]+\]\]")
_LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+", re.MULTILINE)


def split_sentences(text: str) -> list[str]:
    """Splits text into sentences that join up to it again; the last one may be unfinished.

    White space belongs to the sentence after it.
    """
    found, start = [], 0
    for end in _find_sentence_ends(text):
        if text[start:end].strip():
            found.append(text[start:end])
            start = end
    return [*found, text[start:]] if start < len(text) or not found else found


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
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"(\*\*|__|`)", "", text)
    text = re.sub(r"(?<!\w)[*_](\S(?:.*?\S)?)[*_](?!\w)", r"\1", text)
    return " ".join(text.split())


def _find_sentence_ends(text: str) -> Iterator[int]:
    """Where sentences certainly end; never inside a formula or a code block."""
    for stop in _STOP.finditer(text):
        before, after = text[: stop.start()], text[stop.end() :].lstrip()
        if _OPEN.search(_CLOSED.sub("", before)):
            continue
        if stop[0][0] in ".!?\u2026" and after[:1].islower():
            continue
        if stop[0][0] == "." and _is_abbreviation_or_number(before[-20:], after):
            continue
        yield stop.end()


def _is_abbreviation_or_number(before: str, after: str) -> bool:
    """Whether the full stop between the two belongs to an abbreviation or a number."""
    if _ABBREVIATION.search(before) or _ITEM_NUMBER.search(before):
        return True
    if not after:
        return bool(_MAY_GO_ON.search(before) or _NUMBERED.search(before))
    return after[0].isdigit() and bool(_NUMBERED.search(before))
