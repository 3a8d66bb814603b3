"""Fixtures of the fault tests: those of the room tests, and a call to break."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from harness.processes import wait_until_no_job
from harness.stack import Stack
from tests.faults.agents import Call
from tests.room.conftest import (
    Course,
    arrived,
    course,
    fresh_room,
    learner,
    livekit,
    person,
    rows,
)

__all__ = ["arrived", "course", "fresh_room", "learner", "livekit", "person", "rows"]


@pytest.fixture
async def call(
    stack: Stack,
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    rows: asyncpg.Connection,
) -> Call:
    """A learner who was greeted, in a new session, with the only job of the worker."""
    module = course.modules[0]
    for other in course.modules:
        await fresh_room(other)
    await wait_until_no_job(stack)
    amina = await (await learner()).join_past_greeting(
        module.id, module.lessons[0]["id"], microphone=False
    )
    return Call(stack, rows, amina)
