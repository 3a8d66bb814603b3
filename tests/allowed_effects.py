"""The tables of docs/architecture.md about what code in each place may touch, and that code."""

import re
from collections.abc import Iterable, Iterator, Mapping
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
Found = tuple[str, str, str]  # place, name of a file, effect
ROW = re.compile(r"^\| (`[^|]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
ITEM = re.compile(r"([A-Za-z][\w ]*?)(?: \(([^)]*)\))?(?:; |$)")
ONLY_ITSELF = {"environment", "threads", "clock", "timers"}  # not listed in the column `through`
NOT_REACHED = {  # what following the names finds, but the code never does
    ("agent/console", "Postgres"),  # the console's library is in memory
    ("agent/durable", "room"),  # the journal only asks a learner for their identity
    ("scripts", "LiveKit API"),  # the page's types are made from the routes, and call none
}


@dataclass(frozen=True)
class Row:
    itself: Allowed
    through: Allowed | None  # None: anything


NOTHING = Row({}, {})


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
        place = words[:2] if words[0] == "agent" else words[:1]
        name = [*words[len(place) :], words[-1]][0]  # all of db/migrations has that name
        yield Code("/".join(place), name, own_effects(module), reached_effects(module))
    for path in page_files():
        folder = path.relative_to(PAGE).parts[0].split(".")[0]
        own, reached = own_page_effects(path), reached_page_effects(path)
        yield Code(f"src/{folder}", path.stem, own, reached)


def allows(allowed: Allowed, effect: str, name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in allowed.get(effect, ()))


def effects_through_others(file: Code, row: Row) -> dict[str, str]:
    """What a file reaches but may not touch itself, each with a line as proof."""
    return {
        effect: line
        for effect, line in file.reached.items()
        if effect not in ONLY_ITSELF and (file.place, effect) not in NOT_REACHED
        if not allows(row.itself, effect, file.name)
    }


def patterns_without_file(place: str, allowed: Allowed, found: Iterable[Found]) -> list[str]:
    """Those of a cell of the table that no file in the place makes necessary."""
    names = {(effect, name) for at, name, effect in found if at == place}
    return [
        f"{place}: {effect} ({pattern})"
        for effect, patterns in allowed.items()
        for pattern in patterns
        if not any(effect == one and fnmatch(name, pattern) for one, name in names)
    ]
