"""How fast the tutor speaks."""

from tools.desk import Desk

STEP = 0.85
SLOWEST = 0.6
FASTEST = 1.6


def slower(desk: Desk) -> str:
    """One step slower."""
    if desk.rate <= SLOWEST:
        return "This is as slow as I can speak."
    _set(desk, max(SLOWEST, desk.rate * STEP))
    return "Okay, I will speak more slowly."


def faster(desk: Desk) -> str:
    """One step faster."""
    if desk.rate >= FASTEST:
        return "This is as fast as I can speak."
    _set(desk, min(FASTEST, desk.rate / STEP))
    return "Okay, I will speak a little faster."


def _set(desk: Desk, rate: float) -> None:
    desk.rate = rate
    desk.set_rate(rate)
