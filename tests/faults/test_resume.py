"""The agent that takes over from a lost one: one apology, then the talk where it was."""

import time
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from harness.processes import job_pids, kill
from harness.stack import Stack
from tests.faults.agents import GREETINGS, PATIENCE_S, SORRY
from tests.room.conftest import Course

RUN = """select pending_question_id, hint_level, attempts from quiz_runs
         where account_id = (select id from accounts where name = $1)"""


async def run_of(rows: asyncpg.Connection, name: str) -> dict[str, Any]:
    row = await rows.fetchrow(RUN, name)
    assert row is not None
    return dict(row)


def kill_job(stack: Stack, before: set[int]) -> float:
    """SIGKILL to the one job that was not there before; the moment of it."""
    (pid,) = job_pids(stack) - before
    return kill(pid)


async def replaced(learner: Any, gone: str) -> None:
    """Returns when another agent than that one is in the room."""
    await learner.until(lambda: set(learner.agents()) - {gone}, PATIENCE_S, "another agent")


async def test_open_question_hint_and_talk_outlive_the_agent(
    stack: Stack,
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    rows: asyncpg.Connection,
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    before = job_pids(stack)
    amina = await (await learner()).arrive(module.id, module.lessons[0]["id"])
    asked = time.monotonic()
    await amina.type("quiz me")
    question = await amina.tutor_done(asked)
    asked = time.monotonic()
    await amina.type("hint")
    await amina.until(lambda: amina.tutor_captions(asked), 15, "a hint")
    held = await run_of(rows, amina.account.name)
    old = amina.agents()[0]
    killed = kill_job(stack, before)
    await replaced(amina, old)
    assert await amina.tutor_done(killed) == f"{SORRY} {question}"
    assert held == await run_of(rows, amina.account.name)
    assert held["hint_level"] == 1
    asked = time.monotonic()
    await amina.type("what did I just say")
    assert await amina.tutor_done(asked) == "You said: hint"
    asked = time.monotonic()
    await amina.type("C")
    assert (await amina.answered(asked)).startswith("Yes, that is right.")
    graded = await run_of(rows, amina.account.name)
    assert graded["pending_question_id"] != held["pending_question_id"]


@pytest.mark.soak
async def test_question_whose_answer_was_cut_is_answered_and_all_hear_one_apology(
    stack: Stack, learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    module = course.modules[1]
    await fresh_room(module)
    before = job_pids(stack)
    amina, tomas = await learner(), await learner(name="Tomas")
    await amina.arrive(module.id, module.lessons[1]["id"])
    await tomas.arrive(module.id, module.lessons[0]["id"])
    asked = time.monotonic()
    await amina.type("what is overfitting")
    for one in (amina, tomas):  # a caption that comes to one later than to the other is no news
        await one.until(lambda one=one: one.tutor_captions(asked), 15, "an answer")
    old = amina.agents()[0]
    killed = kill_job(stack, before)
    await replaced(amina, old)
    said = await tomas.tutor_done(killed)
    assert said.startswith(f"{SORRY} ")
    assert "overfitting" in said.removeprefix(SORRY).lower()
    assert said.count(SORRY) == 1
    assert not any(word in said for word in GREETINGS)
