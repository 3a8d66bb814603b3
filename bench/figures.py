"""Medians and 95th percentiles, and CPU of a process tree."""

import contextlib
import statistics
from collections.abc import Iterable

import psutil


def format_row(name: str, seconds: Iterable[float]) -> str:
    """One line: median, p95, min, max in milliseconds and the number of runs."""
    values = sorted(seconds)
    if not values:
        return f"{name:<44} no results"
    p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
    return (
        f"{name:<44} median {1000 * statistics.median(values):7.0f}  p95 {1000 * p95:7.0f}"
        f"  min {1000 * values[0]:6.0f}  max {1000 * values[-1]:6.0f} ms  n={len(values)}"
    )


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
