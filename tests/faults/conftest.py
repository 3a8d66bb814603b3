"""Fixtures of the fault tests: those of the room tests, with a running Bodh of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest

from harness.stack import Stack, running_stack
from tests.faults.agents import Call, no_job
from tests.faults.disk import may_mount, small_disk
from tests.faults.two import TWO, second_of_each
from tests.replay import replay
from tests.room.conftest import (
    Course,
    arrived,
    course,
    fresh_room,
    learner,
    livekit,
    person,
    rows,
    settings_of,
    stack_settings,
    superuser_dsn,
)

__all__ = [
    "arrived",
    "course",
    "fresh_room",
    "learner",
    "livekit",
    "person",
    "rows",
    "stack_settings",
]

SPOOL_MB = 16


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running Bodh whose spool has a disk of its own, where this process may mount one.

    With BODH_TWO=1 it has two workers and two token servers.
    """
    with ExitStack() as parts:
        folder = Path(parts.enter_context(TemporaryDirectory(prefix="bodh-faults-")))
        home = folder / "home"
        home.mkdir()
        if may_mount():
            parts.enter_context(small_disk(home / "spool", SPOOL_MB))
        stack = parts.enter_context(running_stack(BODH_HOME=str(home)))
        if TWO:
            parts.enter_context(second_of_each(stack, settings_of(stack)))
        yield stack
        replay(superuser_dsn(settings_of(stack)), "faults")


@pytest.fixture
async def call(
    stack: Stack,
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    rows: asyncpg.Connection,
) -> Call:
    """A learner who was greeted, in a session of its own with the only job of the worker."""
    module = course.modules[0]
    for other in course.modules:
        await fresh_room(other)
    await no_job(stack)
    amina = await (await learner()).arrive(module.id, module.lessons[0]["id"], microphone=False)
    return Call(stack, rows, amina)
