"""Targets of a figure, such as `ours.p50 <= 350`, and whether a line meets them."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.result import Line

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    "==": operator.eq,
}
PATTERN = re.compile(r"(?P<left>[\w.-]+) (?P<sign><=|<|>=|==) (?P<right>[\w.-]+)")


@dataclass(frozen=True)
class Verdict:
    """`found` is None if the bench did not measure the value."""

    target: str
    found: float | None
    met: bool


def judge(target: str, line: Line) -> Verdict:
    """Compares a place in the line with a number, or with another place in the line."""
    parts = PATTERN.fullmatch(target)
    if parts is None:
        raise ValueError(f"{target!r} is not `place <= number` (or <, >=, ==)")
    left, right = (_read_value(parts[side], line) for side in ("left", "right"))
    if left is None or right is None:
        return Verdict(target, left, met=False)
    return Verdict(target, left, met=COMPARISONS[parts["sign"]](left, right))


def _read_value(text: str, line: Line) -> float | None:
    """A number, or the value at a place such as `quality.espeak.difference`."""
    try:
        return float(text)
    except ValueError:
        found: Any = line
    for part in text.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None
