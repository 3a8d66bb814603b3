"""Every authored text that is spoken or shown to a language model, as Markdown files.

A file begins with the line `values: a, b` and a line `---`; the rest is its text. `{a}` is replaced
by the value; a full stop behind it goes where the value itself ends a sentence. A part in `[?` and
`?]` is left out where one of its values is None.
"""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_PLACE = re.compile(r"\{([a-z_]+)\}")
_FILLED = re.compile(r"\{([a-z_]+)\}(\.?)")
_OPTIONAL = re.compile(r"\[\?(.*?)\?\]", re.DOTALL)


class PromptError(Exception):
    """A text was asked for with other values than it declares, or does not exist."""


def render(name: str, **values: object) -> str:
    """The text of `prompts/<name>.md`, filled in one pass: a value is never read as a template.

    Raises PromptError for an unknown name, a missing or unknown value, and for None outside of an
    optional part.
    """
    declared, text = _read(name)
    if values.keys() != declared:
        wrong = ", ".join(sorted(values.keys() ^ declared))
        raise PromptError(f"{name}: missing or unknown values: {wrong}")
    return _fill(_OPTIONAL.sub(lambda part: _kept(part[1], values), text), name, values)


def names() -> list[str]:
    """The names of all texts, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.md"))


def _kept(part: str, values: dict[str, object]) -> str:
    return "" if any(values.get(place) is None for place in _PLACE.findall(part)) else part


def _fill(text: str, name: str, values: dict[str, object]) -> str:
    def value(place: re.Match[str]) -> str:
        if values.get(place[1]) is None:
            raise PromptError(f"{name}: {place[1]} is not given")
        given = str(values[place[1]])
        return given if given.endswith((".", "?", "!")) else given + place[2]

    return _FILLED.sub(value, text)


@cache
def _read(name: str) -> tuple[frozenset[str], str]:
    try:
        raw = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    except OSError as error:
        raise PromptError(f"there is no text {name}") from error
    head, _, text = raw.partition("\n---\n")
    declared = frozenset(head.removeprefix("values:").replace(",", " ").split())
    if not head.startswith("values:") or not set(_PLACE.findall(text)) <= declared:
        raise PromptError(f"{name}: its first line does not declare all its values")
    return declared, text.strip()
