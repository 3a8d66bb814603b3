"""The fence around what people wrote, so that a language model reads it as data.

Each request has its own code in both fence lines, so nobody can write a line that closes the fence.
"""

import re
import secrets
import unicodedata

from courses.one_line import strip_hidden_characters

_FENCE_WORDS = re.compile(r"(BEGIN|END)\W{1,9}LESSON\W{1,9}TEXT", re.IGNORECASE)
_MARK = re.compile(r"\[\[(?=\d{1,4}\.\d{1,4}\]\])")


def new_fence_code() -> str:
    return secrets.token_hex(4)


def defuse_fences(text: str) -> str:
    """The text without hidden characters, marks of passages, and lines that look like a fence."""
    return "\n".join(_defuse_line(line) for line in text.splitlines())


def _defuse_line(line: str) -> str:
    line = _MARK.sub("[ [", strip_hidden_characters(line.replace("\t", "    ")))
    if _FENCE_WORDS.search(unicodedata.normalize("NFKC", line)):
        line = _FENCE_WORDS.sub("(text)", unicodedata.normalize("NFKC", line))
    return line
