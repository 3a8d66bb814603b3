"""The texts for learners and language models, in Markdown files.

Each text starts with a heading, `## name: value, value`, and ends at the next one. Anything before
the first heading is a note for authors. `{value}` is replaced by the value; a full stop after it is
dropped if the value ends a sentence itself. A part between `[?` and `?]` is left out if one of its
values is None.
"""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_HEADING = re.compile(r"^## *(.*)$", re.MULTILINE)
_HEADING_TEXT = re.compile(r"([a-z_]+)(?:: ([a-z_]+(?:, [a-z_]+)*))?")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PLACEHOLDER_AND_STOP = re.compile(r"\{([a-z_]+)\}(\.?)")
_OPTIONAL_PART = re.compile(r"\[\?(.*?)\?\]", re.DOTALL)


class PromptError(Exception):
    """The text does not exist, is malformed, or got values that its heading does not name."""


def render(name: str, **values: object) -> str:
    """Fills in a text in one pass: a value is never read as a template.

    Raises PromptError for an unknown name, for a missing or unknown value, and for None outside
    of an optional part.
    """
    if name not in _load_texts():
        raise PromptError(f"there is no text {name}")
    declared, text = _load_texts()[name]
    if values.keys() != declared:
        wrong = ", ".join(sorted(values.keys() ^ declared))
        raise PromptError(f"{name}: missing or unknown values: {wrong}")
    return _fill_values(
        _OPTIONAL_PART.sub(lambda part: _keep_optional_part(part[1], values), text), name, values
    )


def text_names() -> list[str]:
    return sorted(_load_texts())


def _keep_optional_part(part: str, values: dict[str, object]) -> str:
    return "" if any(values.get(place) is None for place in _PLACEHOLDER.findall(part)) else part


def _fill_values(text: str, name: str, values: dict[str, object]) -> str:
    def value_of_place(place: re.Match[str]) -> str:
        if values.get(place[1]) is None:
            raise PromptError(f"{name}: {place[1]} is not given")
        given = str(values[place[1]])
        return given if given.endswith((".", "?", "!")) else given + place[2]

    return _PLACEHOLDER_AND_STOP.sub(value_of_place, text)


@cache
def _load_texts() -> dict[str, tuple[frozenset[str], str]]:
    found: dict[str, tuple[frozenset[str], str]] = {}
    for path in sorted(_FOLDER.glob("*.md")):
        for name, text in read_texts(path).items():
            if name in found:
                raise PromptError(f"{path.name}: there are two texts {name}")
            found[name] = text
    return found


def read_texts(path: Path) -> dict[str, tuple[frozenset[str], str]]:
    """The values and text of each name in a file. Raises PromptError if it is malformed."""
    _, *parts = _HEADING.split(path.read_text(encoding="utf-8"))
    found: dict[str, tuple[frozenset[str], str]] = {}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        named = _HEADING_TEXT.fullmatch(heading)
        if named is None:
            raise PromptError(f"{path.name}: {heading!r} is not `name: value, value`")
        name, values = named[1], frozenset((named[2] or "").split(", ")) - {""}
        if name in found or not text.strip() or not set(_PLACEHOLDER.findall(text)) <= values:
            raise PromptError(
                f"{path.name}: {name} is empty, given twice, or does not name its values"
            )
        found[name] = (values, text.strip())
    if not found:
        raise PromptError(f"{path.name}: there is no heading `## name`")
    return found
