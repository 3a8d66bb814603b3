"""Durations that fault tests measure, kept in build/faults/*.json for docs/reliability.md."""

import json
import math
from collections.abc import Sequence

from harness.stack import ROOT

FOLDER = ROOT / "build" / "faults"


def record(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Prints and keeps the count, median, 95th percentile and maximum of some durations."""
    ordered = sorted(seconds)
    shown = {
        "n": len(ordered),
        "p50": round(percentile(ordered, 50), 2),
        "p95": round(percentile(ordered, 95), 2),
        "max": round(ordered[-1], 2),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    values = [round(value, 3) for value in seconds]
    (FOLDER / f"{name}.json").write_text(json.dumps({**shown, "seconds": values}) + "\n")
    print(f"{name}: {shown}")  # noqa: T201
    return shown


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that is not below that percentage of all values."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
