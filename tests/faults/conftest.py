"""Fixtures of the fault tests: those of the room tests, with a running Bodh of their own."""

from tests.room.conftest import (
    course,
    fresh_room,
    learner,
    livekit,
    person,
    rows,
    stack,
    stack_settings,
)

__all__ = [
    "course",
    "fresh_room",
    "learner",
    "livekit",
    "person",
    "rows",
    "stack",
    "stack_settings",
]
