"""Where a sentence ends for certain, in text that is still growing."""

import re

from livekit.agents import tokenize

# three letters or a closing bracket before the full stop: "e.g." and "Dr." end no sentence
# the escapes are closing quotes, and the full stops of Chinese, Hindi and Arabic
_END = re.compile(
    r"(?:\w{3,}|[)\]\"\u201d\u2019])[.!?\u2026]+[\"\u201d\u2019)]*(?=\s)"
    r"|[\u3002\uff01\uff1f\u0964\u061f]|\n"
)
_LAST = re.compile(r"[.!?\u2026\u3002\uff01\uff1f\u0964\u061f][)\]\"\u201d\u2019]*$")
_MARK = re.compile(r"\[\[[\d.]+\]\]")


def sentence_end(text: str) -> int:
    """The length of the part of a text that holds whole sentences only, or 0.

    A full stop counts once something follows it; an open formula ends no sentence.
    """
    for match in reversed([*_END.finditer(text)]):
        if text[: match.end()].count("$") % 2 == 0:
            return match.end()
    return 0


def unfinished(text: str) -> bool:
    """Whether a text that will not go on stops within a sentence; marks are no words."""
    words = _MARK.sub("", text).strip()
    return bool(words) and not _LAST.search(words)


def split_sentences(text: str) -> list[str]:
    """Sentences that together are the text, the last one perhaps unfinished."""
    return _splitter.tokenize(text) or [text]


_splitter = tokenize.blingfire.SentenceTokenizer(
    min_sentence_len=1, stream_context_len=1, retain_format=True
)
