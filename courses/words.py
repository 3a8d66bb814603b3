"""English words as Postgres' text search sees them, near enough for a course in memory."""

import re

WORD = re.compile(r"[a-z0-9]+")
STOP = frozenset(
    WORD.findall(
        "i me my myself we our ours ourselves you your yours yourself yourselves he him his "
        "himself she her hers herself it its itself they them their theirs themselves what which "
        "who whom this that these those am is are was were be been being have has had having do "
        "does did doing a an the and but if or because as until while of at by for with about "
        "against between into through during before after above below to from up down in out on "
        "off over under again further then once here there when where why how all any both each "
        "few more most other some such no nor not only own same so than too very s t can will "
        "just don should now"
    )
)
ENDINGS = (
    ("ational", "ate"),
    ("ization", "ize"),
    ("fulness", "ful"),
    ("ations", "ate"),
    ("ation", "ate"),
    ("ments", "ment"),
    ("sses", "ss"),
    ("ss", "ss"),
    ("ings", ""),
    ("ies", "i"),
    ("ing", ""),
    ("ers", "er"),
    ("ed", ""),
    ("es", ""),
    ("ly", ""),
    ("s", ""),
    ("y", "i"),
    ("e", ""),
)
MIN_STEM = 3


def lexemes(text: str) -> list[str]:
    """The stems of the words of a text in order, without those that say nothing."""
    return [stem(word) for word in WORD.findall(text.lower()) if word not in STOP]


def stem(word: str) -> str:
    """The word without its commonest endings: `learning`, `learned`, `learns` are one."""
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM:
            rest = word[: -len(ending)] + instead
            rest = rest[:-1] if rest.endswith("e") and len(rest) > MIN_STEM else rest
            doubled = len(rest) > MIN_STEM and rest[-1] == rest[-2] and rest[-1] not in "lsz"
            return rest[:-1] if doubled else rest
    return word
