"""The process behind an agent job, found by what it holds open."""

import contextlib
from pathlib import Path

from harness.stack import Stack


def job_pids(stack: Stack) -> set[int]:
    """Processes that serve a room: each holds the spool open; an idle one does not."""
    return {pid for pid in stack.pids("forkserver") if _holds(pid, "spool.sqlite3")}


def _holds(pid: int, name: str) -> bool:
    with contextlib.suppress(OSError):
        return any(fd.readlink().name == name for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False
