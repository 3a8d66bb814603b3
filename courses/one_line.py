"""Short texts that people write: titles, questions, names. One line, without hidden characters."""

import unicodedata

# Cc control, Cf format (bidi, tags, zero-width), Cs surrogate, Co private, Zl and Zp line breaks
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # Hindi, Persian and emoji are written with them


def strip_hidden_characters(text: str) -> str:
    """The text without hidden characters, which include line breaks and tabs."""
    return "".join(
        char for char in text if char in _JOINERS or unicodedata.category(char) not in _HIDDEN
    )


def one_line(text: str) -> str:
    """The text on one line: white space becomes single spaces, hidden characters are removed."""
    spaced = "".join(" " if char.isspace() else char for char in text)
    return " ".join(strip_hidden_characters(spaced).split())


def is_one_line(text: str) -> bool:
    return strip_hidden_characters(text) == text
