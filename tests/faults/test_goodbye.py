"""A worker that ends says goodbye, and learners who stay get another agent."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import numpy as np
import pytest

import prompts
from agent.models.espeak import RATE as VOICE_RATE
from harness.learner import HEARD_RATE, Account, Learner
from harness.processes import job_pids, worker_of
from harness.stack import TUTOR_WPM, Stack, running_stack
from harness.voices import synthesise_cached, trimmed
from tests.faults.agents import SORRY
from tests.faults.test_resume import replaced
from tests.room.conftest import Course

LINE = prompts.render("goodbye").strip()
FIRST = """select type from session_state_events
           where session_id = $1::uuid and type like 'agent.%' and payload ->> 'epoch' = '1'
           order by seq"""


def seconds(samples: np.ndarray, rate: int) -> float:
    return len(trimmed(samples)) / rate


async def hears_goodbye(learner: Any, after: float) -> None:
    """Waits for the agent to leave, and asserts that its whole goodbye was captioned and heard."""
    agent = learner.agents()[0]
    await learner.until(lambda: agent not in learner.agents(), 15, "the end of the agent")
    assert learner.tutor_text(after) == LINE
    line = await synthesise_cached(LINE, rate_wpm=TUTOR_WPM)
    # a listener's buffer plays a little faster after late packets
    assert seconds(learner.take_sound(), HEARD_RATE) > 0.8 * seconds(line, VOICE_RATE)


@pytest.mark.soak
async def test_ended_worker_says_goodbye_and_another_agent_continues(
    stack: Stack, arrived: Callable[..., Any], course: Course, rows: asyncpg.Connection
) -> None:
    module = course.modules[0]
    before = job_pids(stack)
    amina = await arrived(module, module.lessons[0]["id"])
    old = amina.agents()[0]
    (job,) = job_pids(stack) - before
    amina.recording = True
    ended = time.monotonic()
    os.kill(worker_of(job), signal.SIGTERM)
    await hears_goodbye(amina, ended)
    left = time.monotonic()
    await replaced(amina, old)
    assert (await amina.tutor_done(left)).startswith(SORRY)
    told = [row["type"] for row in await rows.fetch(FIRST, amina.session_id)]
    assert told == ["agent.dispatched", "agent.left"]


@pytest.mark.soak
async def test_ctrl_c_of_make_up_says_goodbye_in_open_rooms() -> None:
    with running_stack() as stack:
        account = await Account(stack.url, "Amina").sign_in()
        amina = Learner(account)
        module = (await account.get_course())["modules"][0]
        await amina.join_past_greeting(module["id"])
        amina.recording = True
        ended = time.monotonic()
        os.kill(stack.process.pid, signal.SIGINT)
        try:
            await hears_goodbye(amina, ended)
        finally:
            await amina.leave()
            await account.close()
        assert stack.process.wait(15) == 0
    assert not any("killing 'agent'" in line for line in stack.lines)  # it ended without SIGKILL
