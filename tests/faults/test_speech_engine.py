"""The speech engine killed or frozen: words arrive late, or the gap is reported and marked."""

import os
import signal
from collections.abc import Callable
from typing import Any

import prompts
from agent.durable.journal import NOT_HEARD
from harness.learner import FILLER
from harness.processes import frozen
from harness.stack import Stack
from tests.faults.figures import record
from tests.room.conftest import Course

PHRASE = "what is overfitting"
TOLD = prompts.render("not_heard").strip()


async def test_words_survive_a_killed_engine_and_unheard_words_are_reported_and_marked(
    stack: Stack, arrived: Callable[..., Any], course: Course
) -> None:
    module = course.modules[1]
    amina = await arrived(module, module.lessons[1]["id"])
    (engine,) = stack.pids("-m speech $")
    os.kill(engine, signal.SIGKILL)
    _, ended = await amina.say(PHRASE)
    assert "overfitting" in (await amina.wait_for_answer(ended)).lower()
    (engine,) = stack.pids("-m speech $")
    with frozen(engine):
        _, ended = await amina.say(PHRASE)
        heard = await amina.until(lambda: amina.first_sound(ended), 30, "a sound")
        record("engine_frozen_first_sound", [heard - ended])
        await amina.until(lambda: TOLD in amina.tutor_text(ended), 30, "the line")
        assert amina.tutor_text(ended).startswith(FILLER)
    await amina.tutor_done(ended)
    _, ended = await amina.say(PHRASE)
    assert "overfitting" in (await amina.wait_for_answer(ended)).lower()
    said = [one["text"] for one in await amina.account.wait_for_kept_segments(amina.session_id, 3)]
    assert [PHRASE in said[0], said[1], PHRASE in said[2]] == [True, NOT_HEARD, True]
