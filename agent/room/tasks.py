"""Background tasks with an owner, which waits for them or cancels them at the end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from livekit.agents import utils

logger = logging.getLogger(__name__)


class Tasks:
    """The running tasks of one owner, whose name is one word. Logs failures with that name."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts the work. After `close` it is cancelled before it begins."""
        task = asyncio.create_task(work, name=self._owner)
        self._running.add(task)
        task.add_done_callback(self._on_task_done)
        if self._is_closed:
            task.cancel()
        return task

    async def wait_for_all(self, timeout_s: float | None = None) -> None:
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout_s)

    async def cancel_all(self) -> None:
        """Cancels the tasks that run now. The owner may start others."""
        await utils.aio.cancel_and_wait(*self._running)

    async def close(self) -> None:
        self._is_closed = True
        await self.cancel_all()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("task failed", extra={"kind": self._owner}, exc_info=error)
