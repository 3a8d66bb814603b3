"""Tools for the speed of the tutor's voice."""

import prompts
from tools.desk import Desk

STEP = 0.85
SLOWEST = 0.6
FASTEST = 1.6


def slower(desk: Desk) -> str:
    if desk.talk.rate <= SLOWEST:
        return prompts.render("slowest")
    desk.talk.set_rate(max(SLOWEST, desk.talk.rate * STEP))
    return prompts.render("slower")


def faster(desk: Desk) -> str:
    if desk.talk.rate >= FASTEST:
        return prompts.render("fastest")
    desk.talk.set_rate(min(FASTEST, desk.talk.rate / STEP))
    return prompts.render("faster")
