"""Runs the parts of a process as long as the process, and restarts those that fail."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

PAUSES_S = (0.2, 0.5, 1.0, 2.0)  # the last one repeats
HEALTHY_S = 10.0  # a run of this length resets the pauses

logger = logging.getLogger(__name__)


async def run_until_stopped(process: Coroutine[Any, Any, None]) -> None:
    """Runs the whole of a process, and cancels it at SIGTERM or SIGINT."""
    running = asyncio.create_task(process)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        logger.info("stopped")


async def run_restarting(name: str, part: Callable[[], Awaitable[None]]) -> None:
    """Runs a part until cancelled; restarts it each time it ends or raises."""
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        began = clock()
        try:
            await part()
        except Exception as error:  # noqa: BLE001 a process edge
            failures = 0 if clock() - began > HEALTHY_S else failures + 1
            for kind in sorted(_error_kinds(error)):
                logger.warning("part failed", extra={"part": name, "kind": kind})
        await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])


def _error_kinds(error: BaseException) -> set[str]:
    """Type names of an exception, or of those in a group."""
    if isinstance(error, BaseExceptionGroup):
        return {name for one in error.exceptions for name in _error_kinds(one)}
    return {type(error).__name__}
