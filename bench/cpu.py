"""CPU seconds of processes and their children."""

import contextlib
from collections.abc import Iterable

import psutil

from bench.process_trees import list_with_children


def cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """CPU seconds used so far by each of these processes and their children, by process id."""
    used: dict[int, float] = {}
    for process in list_with_children(pids):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            used[process.pid] = times.user + times.system
    return used


def cpu_between(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds from one `cpu_s` to another; a process that ended in between is left out."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
