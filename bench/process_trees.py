"""Finds processes and their children, to measure their CPU and memory."""

import contextlib
from collections.abc import Iterable, Iterator

import psutil


def list_with_children(pids: Iterable[int]) -> Iterator[psutil.Process]:
    """Each process, then all processes below it. Those that have ended are left out."""
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            yield from (process, *process.children(recursive=True))
