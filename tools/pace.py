"""Tools for the speed of the tutor's voice."""

import prompts
from tools.desk import Desk

RATE_STEP = 0.85
SLOWEST_RATE = 0.6
FASTEST_RATE = 1.6


def speak_slower(desk: Desk) -> str:
    if desk.talk.rate <= SLOWEST_RATE:
        return prompts.render("slowest")
    desk.talk.set_rate(max(SLOWEST_RATE, desk.talk.rate * RATE_STEP))
    return prompts.render("slower")


def speak_faster(desk: Desk) -> str:
    if desk.talk.rate >= FASTEST_RATE:
        return prompts.render("fastest")
    desk.talk.set_rate(min(FASTEST_RATE, desk.talk.rate / RATE_STEP))
    return prompts.render("faster")
