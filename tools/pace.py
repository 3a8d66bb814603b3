"""Tools for the speed of the tutor's voice."""

import prompts
from tools.desk import Desk

STEP = 0.85
SLOWEST = 0.6
FASTEST = 1.6


def slower(desk: Desk) -> str:
    if desk.rate <= SLOWEST:
        return prompts.render("slowest")
    _set(desk, max(SLOWEST, desk.rate * STEP))
    return prompts.render("slower")


def faster(desk: Desk) -> str:
    if desk.rate >= FASTEST:
        return prompts.render("fastest")
    _set(desk, min(FASTEST, desk.rate / STEP))
    return prompts.render("faster")


def _set(desk: Desk, rate: float) -> None:
    desk.rate = rate
    desk.set_rate(rate)
