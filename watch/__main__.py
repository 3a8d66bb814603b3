"""`python -m watch`: what runs beside the rooms, each part started again when it fails."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import rooms
import telemetry
from db import create_pool
from settings import Settings, SettingsError, load_settings
from telemetry.process import metrics_dir
from watch.host import Host
from watch.metrics import serve_metrics
from watch.notices import Notices
from watch.watcher import keep_watch, utc_now

PAUSES_S = (0.2, 0.5, 1.0, 2.0)  # the last one repeats
LASTING_S = 10.0  # a part that ran so long starts again at once

logger = logging.getLogger("bodh.watch")


async def run_watch(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    running = asyncio.create_task(_run(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        logger.info("stopped")


async def _run(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        pool = await create_pool(settings.watch_dsn, max_size=settings.database_pool_size)
        stack.callback(pool.terminate)
        lk = rooms.connect(settings)
        stack.push_async_callback(lk.aclose)
        async with asyncio.TaskGroup() as parts:
            parts.create_task(lasting("watcher", lambda: keep_watch(settings, lk, pool)))
            parts.create_task(lasting("host", lambda: Host(settings, lk, pool).run()))
            notices = Notices(pool, metrics_dir(settings), utc_now, socket.gethostname())
            parts.create_task(lasting("notices", notices.run))
            parts.create_task(lasting("metrics", lambda: serve_metrics(settings)))


async def lasting(name: str, part: Callable[[], Awaitable[None]]) -> None:
    """Runs a part again and again: whatever ends it, it comes back."""
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        began = clock()
        try:
            await part()
        except Exception as error:  # noqa: BLE001 a process edge
            failures = 0 if clock() - began > LASTING_S else failures + 1
            for kind in sorted(kinds(error)):
                logger.warning("part failed", extra={"part": name, "kind": kind})
        await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])


def kinds(error: BaseException) -> set[str]:
    """Names of the exceptions in a group, or of the one."""
    if isinstance(error, BaseExceptionGroup):
        return {name for one in error.exceptions for name in kinds(one)}
    return {type(error).__name__}


def main() -> int:
    """0 when told to end, 1 with one line where it cannot run."""
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    telemetry.start("watch", settings)
    asyncio.run(run_watch(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
