"""95 % bounds of a share seen in a number of runs (Clopper and Pearson)."""

import math
from collections.abc import Callable

TAIL = 0.025  # on each side


def bounds(good: int, runs: int) -> tuple[float, float]:
    low = 0.0 if good == 0 else _find_zero(lambda share: at_least(good, runs, share) - TAIL)
    high = 1.0 if good == runs else _find_zero(lambda share: TAIL - at_most(good, runs, share))
    return low, high


def at_least(good: int, runs: int, share: float) -> float:
    """The probability of at least `good` good runs if each is good with probability `share`."""
    return math.fsum(_chance_of_exactly(count, runs, share) for count in range(good, runs + 1))


def at_most(good: int, runs: int, share: float) -> float:
    return math.fsum(_chance_of_exactly(count, runs, share) for count in range(good + 1))


def _chance_of_exactly(count: int, runs: int, share: float) -> float:
    ways = math.lgamma(runs + 1) - math.lgamma(count + 1) - math.lgamma(runs - count + 1)
    return math.exp(ways + count * math.log(share) + (runs - count) * math.log1p(-share))


def _find_zero(rising: Callable[[float], float]) -> float:
    """The share at which a rising function is zero, found by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def share_with_bounds(good: int, runs: int) -> str:
    if not runs:
        return "0 / 0"
    low, high = bounds(good, runs)
    return f"{good} / {runs} (95 %: {low:.2%} to {high:.2%})"
