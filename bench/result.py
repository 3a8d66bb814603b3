"""What a bench returns, and the line of JSON it is printed as."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Line = dict[str, Any]
Quality = float | str | Mapping[str, float | str]


@dataclass(frozen=True)
class Summary:
    """`spread` is the interquartile range: the width of the middle half of the values."""

    p50: float
    p95: float
    n: int
    spread: float


@dataclass(frozen=True)
class Failed:
    """A baseline that could not run. `error` is one line."""

    error: str


@dataclass(frozen=True)
class Measured:
    """One figure for us and for each baseline, measured in turns in the same run.

    `quality` holds other values that matter, such as an error rate. `cpu_s` holds the CPU seconds
    that each one used, by name; ours are under `ours`.
    """

    unit: str
    ours: Summary
    baselines: Mapping[str, Summary | Failed] = field(default_factory=dict)
    quality: Mapping[str, Quality] = field(default_factory=dict)
    cpu_s: Mapping[str, float] = field(default_factory=dict)

    def ratio_to(self, baseline: str) -> float | None:
        """Our median divided by the baseline's. None if that baseline has none, or zero."""
        theirs = self.baselines.get(baseline)
        if not isinstance(theirs, Summary) or theirs.p50 == 0:
            return None
        return self.ours.p50 / theirs.p50


def summarise(values: Iterable[float]) -> Summary:
    """Raises ValueError if there are none."""
    found = sorted(values)
    if not found:
        raise ValueError("nothing was measured")
    return Summary(
        p50=statistics.median(found),
        p95=percentile(found, 0.95),
        n=len(found),
        spread=percentile(found, 0.75) - percentile(found, 0.25),
    )


def percentile(values: Iterable[float], share: float) -> float:
    """Interpolates between the two nearest values. `share` is 0 to 1."""
    found = sorted(values)
    place = share * (len(found) - 1)
    below = int(place)
    above = min(below + 1, len(found) - 1)
    return found[below] + (found[above] - found[below]) * (place - below)


def make_line(
    name: str, measured: Measured, *, against: str, machine: Line, versions: Line
) -> Line:
    """The figure as a JSON line. `ratio` compares us with the baseline named by `against`."""
    line = {
        "name": name,
        "unit": measured.unit,
        "ours": asdict(measured.ours),
        "baselines": {name: asdict(one) for name, one in measured.baselines.items()},
        "ratio": measured.ratio_to(against),
        "quality": dict(measured.quality),
        "cpu_s": dict(measured.cpu_s),
        "machine": machine,
        "versions": versions,
    }
    return dict(_round_numbers(line))


def make_error(name: str, error: Exception) -> Line:
    first, *_ = str(error).splitlines() or [""]
    return {"name": name, "error": f"{type(error).__name__}: {first}"[:300]}


def _round_numbers(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case Mapping():
            return {key: _round_numbers(one) for key, one in value.items()}
        case _:
            return value
