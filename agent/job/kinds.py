"""Which job serves which kind of session."""

from collections.abc import Awaitable, Callable
from typing import assert_never

from agent.job.job import JobParts
from agent.job.tutor_job import run_tutor_job
from protocol import SessionKind


def job_for_kind(kind: SessionKind) -> Callable[[JobParts], Awaitable[None]] | None:
    """Returns None for kinds of sessions without an agent."""
    match kind:
        case "tutor":
            return run_tutor_job
        case "mentoring" | "class":
            return None
        case _:
            assert_never(kind)
