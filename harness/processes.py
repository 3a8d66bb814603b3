"""Processes of a running Bodh: finding, watching and killing them."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.stack import Stack


def job_pids(stack: Stack) -> set[int]:
    """Processes that serve a room: each holds the spool open; an idle one does not."""
    return {pid for pid in stack.pids("forkserver") if _has_open_file(pid, "spool.sqlite3")}


async def wait_until_no_job(stack: Stack) -> None:
    async with asyncio.timeout(120):
        while job_pids(stack):  # noqa: ASYNC110 another process ends them
            await asyncio.sleep(0.1)


def worker_of(job: int) -> int:
    return next(
        parent.pid
        for parent in psutil.Process(job).parents()
        if parent.cmdline()[1:] == ["-m", "agent", "start"]
    )


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def wait_until_gone(pid: int) -> None:
    async with asyncio.timeout(30):
        while alive(pid):  # noqa: ASYNC110 it is not our child
            await asyncio.sleep(0.1)


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> float:
    """Sends the signal and returns the monotonic time."""
    os.kill(pid, number)
    return time.monotonic()


def _has_open_file(pid: int, name: str) -> bool:
    with contextlib.suppress(OSError):
        return any(fd.readlink().name == name for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False
