"""CPU seconds of processes and their children."""

import contextlib
from collections.abc import Iterable

import psutil


def cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """CPU seconds used so far by each of these processes and their children, by process id."""
    used: dict[int, float] = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    used[one.pid] = times.user + times.system
    return used


def cpu_between(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds from one `cpu_s` to another; a process that ended in between is left out."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
