"""Short texts that people write: titles, questions, names. One line, without hidden characters."""

import unicodedata

# Cc control, Cf format (bidi, tags, zero-width), Cs surrogate, Co private, Zl and Zp line breaks
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # Hindi, Persian and emoji are written with them


def is_hidden(char: str) -> bool:
    return char not in _JOINERS and unicodedata.category(char) in _HIDDEN


def one_line(text: str) -> str:
    """The text on one line: white space becomes single spaces, hidden characters are removed."""
    visible = (" " if char.isspace() else char for char in text)
    return " ".join("".join(char for char in visible if not is_hidden(char)).split())


def is_one_line(text: str) -> bool:
    return not any(is_hidden(char) for char in text)
