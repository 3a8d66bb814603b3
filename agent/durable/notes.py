"""The way into the spool, with a memory for as long as its disk takes nothing."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable

from agent.durable.spool import Entry, Spool
from telemetry import alarm, metrics

MEMORY = 1000  # entries: half an hour of talk and more
RETRY_S = 1.0

logger = logging.getLogger(__name__)


class Notes:
    """Puts entries into the spool in order; what it refuses waits here and is written first.

    `failing` tells each change: True once an entry could not be written, False once all are.
    """

    def __init__(self, spool: Spool) -> None:
        self.failing: Callable[[bool], None] = lambda _failing: None
        self._spool = spool
        self._memory: deque[Entry] = deque()
        self._writing = asyncio.Lock()
        self._retrying: asyncio.Task[None] | None = None

    async def put(self, entry: Entry) -> None:
        """Returns once the entry is on disk, or in memory because the disk refuses."""
        self._memory.append(entry)
        if len(self._memory) > MEMORY:
            self._lose(self._memory.popleft())
        if not await self._write() and self._retrying is None:
            self._retrying = asyncio.create_task(self._retry())
            self.failing(True)

    async def close(self) -> None:
        """Tries once more; what the disk still refuses is lost."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        await self._write()
        while self._memory:
            self._lose(self._memory.popleft())

    async def _retry(self) -> None:
        while self._memory:
            await asyncio.sleep(RETRY_S)
            await self._write()
        self._retrying = None
        logger.info("entries are written again")
        self.failing(False)

    async def _write(self) -> bool:
        """Writes what is in memory, in order; False where the disk refuses."""
        async with self._writing:
            while self._memory:
                entry = self._memory[0]
                try:
                    await self._spool.put(entry)
                except sqlite3.Error as error:
                    metrics.SPOOL_FAILURES.inc()
                    alarm("spool_failing", True)
                    logger.error("an entry waits in memory", extra=_facts(entry, error))
                    return False
                # a full memory may have dropped it meanwhile
                if self._memory and self._memory[0] is entry:
                    self._memory.popleft()
            alarm("spool_failing", False)
            return True

    def _lose(self, entry: Entry) -> None:
        metrics.SPOOL_LOST.inc(kind=entry.kind)
        logger.error("an entry is lost", extra=_facts(entry))


def _facts(entry: Entry, error: Exception | None = None) -> dict[str, str]:
    why = {} if error is None else {"why": type(error).__name__}
    return {"session_id": str(entry.session_id), "kind": entry.kind, "key": entry.key, **why}
