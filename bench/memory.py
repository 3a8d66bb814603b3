"""Memory of processes and their children."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

from bench.process_trees import list_with_children


def pss_mb(pids: Iterable[int]) -> float:
    """Memory of these processes and their children; shared pages are divided among their users."""
    total_kb = 0
    for process in list_with_children(pids):
        with contextlib.suppress(psutil.Error, OSError):
            total_kb += _pss_kb(process.pid)
    return total_kb / 1024


def _pss_kb(pid: int) -> int:
    with Path(f"/proc/{pid}/smaps_rollup").open() as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
