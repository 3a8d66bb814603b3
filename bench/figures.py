"""Medians and 95th percentiles, and CPU of a process tree."""

import contextlib
import statistics
from collections.abc import Iterable

import psutil


def row(name: str, seconds: Iterable[float]) -> str:
    """One line: median, p95, min, max in milliseconds and the number of runs."""
    values = sorted(seconds)
    if not values:
        return f"{name:<44} no figure"
    p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
    return (
        f"{name:<44} median {1000 * statistics.median(values):7.0f}  p95 {1000 * p95:7.0f}"
        f"  min {1000 * values[0]:6.0f}  max {1000 * values[-1]:6.0f} ms  n={len(values)}"
    )


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that these processes and their children have used so far."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    total += times.user + times.system
    return total
