"""An agent that takes over: one apology, then the conversation continues where it stopped."""

import time
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

import prompts
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
    """Kills the only new job. Returns the monotonic time."""
    (pid,) = job_pids(stack) - before
    return kill(pid)


async def replaced(learner: Any, gone: str) -> None:
    """Waits until another agent is in the room."""
    await learner.until(lambda: set(learner.agents()) - {gone}, PATIENCE_S, "another agent")


async def test_open_question_hint_and_talk_survive_the_agent(
    stack: Stack, arrived: Callable[..., Any], course: Course, rows: asyncpg.Connection
) -> None:
    module = course.modules[0]
    before = job_pids(stack)
    amina = await arrived(module, module.lessons[0]["id"])
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
    assert (await amina.wait_for_answer(asked)).startswith("Yes, that is right.")
    graded = await run_of(rows, amina.account.name)
    assert graded["pending_question_id"] != held["pending_question_id"]


@pytest.mark.soak
async def test_cut_answer_is_given_again_and_all_hear_one_apology(
    stack: Stack, arrived: Callable[..., Any], learner: Callable[..., Any], course: Course
) -> None:
    module = course.modules[1]
    before = job_pids(stack)
    amina = await arrived(module, module.lessons[1]["id"])
    tomas = await learner(name="Tomas")
    await tomas.join_past_greeting(module.id, module.lessons[0]["id"])
    asked = time.monotonic()
    await amina.type("what is overfitting")
    for one in (amina, tomas):  # so that a late caption of this answer does not count as a new one
        await one.until(lambda one=one: one.tutor_captions(asked), 15, "an answer")
    old = amina.agents()[0]
    killed = kill_job(stack, before)
    await replaced(amina, old)
    said = await tomas.tutor_done(killed)
    assert said.startswith(f"{SORRY} ")
    assert "overfitting" in said.removeprefix(SORRY).lower()
    assert said.count(SORRY) == 1
    assert not any(word in said for word in GREETINGS)


async def test_question_that_ended_two_agents_is_not_answered_again(
    stack: Stack, arrived: Callable[..., Any], course: Course, rows: asyncpg.Connection
) -> None:
    module = course.modules[1]
    others = job_pids(stack)
    amina = await arrived(module, module.lessons[1]["id"])
    asked = time.monotonic()
    await amina.type("what is overfitting")
    await amina.until(lambda: has_begun(amina, asked), 20, "an answer")
    for retry in range(2):
        gone, killed = amina.agents()[0], kill_job(stack, others)
        await replaced(amina, gone)
        await amina.until(lambda at=killed: SORRY in amina.tutor_text(at), PATIENCE_S, "an apology")
        if retry == 0:
            await amina.until(
                lambda at=killed: has_begun(amina, at), PATIENCE_S, "the answer again"
            )
    said = await amina.tutor_done(killed)
    assert said == f"{SORRY} {prompts.render('other_words')}"
    kinds = await rows.fetch(
        "select type from session_state_events where session_id = $1::uuid order by seq",
        amina.session_id,
    )
    assert [row["type"] for row in kinds].count("turn.retried") == 1
    asked = time.monotonic()
    await amina.type("what is a label")
    assert "label" in await amina.wait_for_answer(asked)


def has_begun(learner: Any, since: float) -> bool:
    """Whether the tutor's first sentence about the question is being spoken, and not yet stored."""
    said = learner.tutor_captions(since)
    return any("overfit" in one.text.lower() and not one.final for one in said)
