"""The tables of docs/architecture.md about what code in each place may touch, and that code."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch

from tests.effects import (
    PAGE,
    ROOT,
    own_effects,
    own_page_effects,
    page_files,
    parts_of_python,
    reached_effects,
    reached_page_effects,
)

Allowed = Mapping[str, tuple[str, ...]]  # effect -> patterns of the modules that may have it
ROW = re.compile(r"^\| (`[^|]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
ITEM = re.compile(r"([A-Za-z][\w ]*?)(?: \(([^)]*)\))?(?:; |$)")
ONLY_ITSELF = {"environment", "threads", "clock", "timers"}  # not listed in the column `through`
NOT_REACHED = {  # what following the names finds, but the code never does
    ("agent/console", "Postgres"),  # the console's library is in memory
    ("scripts", "LiveKit API"),  # the page's types are made from the routes, and call none
}


@dataclass(frozen=True)
class Row:
    itself: Allowed
    through: Allowed | None  # None: anything


@dataclass(frozen=True)
class Code:
    """A file by its place in the tables, with what it touches. Each effect has a line as proof."""

    place: str
    name: str
    own: Mapping[str, str]
    reached: Mapping[str, str]


def read_tables() -> dict[str, Row]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.split("\n## What code may touch\n")[1].split("\n## ")[0]
    return {
        place: Row(_parse_cell(itself), None if through == "anything" else _parse_cell(through))
        for places, itself, through in ROW.findall(section)
        for place in re.findall(r"`([^`]+)`", places)
    }


def _parse_cell(cell: str) -> Allowed:
    return {
        effect: tuple(re.findall(r"`([^`]+)`", modules)) or ("*",)
        for effect, modules in ITEM.findall(cell)
        if effect != "nothing"
    }


def list_code() -> Iterator[Code]:
    for module in parts_of_python():
        words = module.split(".")
        place = "/".join(words[:2]) if words[0] == "agent" else words[0]
        yield Code(place, words[-1], own_effects(module), reached_effects(module))
    for path in page_files():
        folder = path.relative_to(PAGE).parts[0].split(".")[0]
        own, reached = own_page_effects(path), reached_page_effects(path)
        yield Code(f"src/{folder}", path.stem, own, reached)


def allows(allowed: Allowed, effect: str, name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in allowed.get(effect, ()))


def reached_effects_of_place(place: str, itself: Allowed, code: list[Code]) -> dict[str, str]:
    """What its files reach but may not touch themselves, each with a line as proof."""
    return {
        effect: line
        for file in code
        if file.place == place
        for effect, line in file.reached.items()
        if effect not in ONLY_ITSELF and (place, effect) not in NOT_REACHED
        if not allows(itself, effect, file.name)
    }
