"""Writes to the spool, and holds entries in memory while its disk refuses them."""

import asyncio
import logging
import sqlite3
from collections import deque

from agent.durable.spool import Entry, Spool
from agent.room.tasks import Tasks
from telemetry import alarm, metrics

MEMORY_ENTRIES = 1000  # entries: more than half an hour of conversation
RETRY_S = 1.0

logger = logging.getLogger(__name__)


class SpoolWriter:
    """Puts entries into the spool in order. Refused entries stay in memory and are written first.

    `failing_changes` receives True when a write fails, and False when all entries are written.
    """

    def __init__(self, spool: Spool) -> None:
        self.failing_changes: asyncio.Queue[bool] = asyncio.Queue()
        self._spool = spool
        self._memory: deque[Entry] = deque()
        self._writing = asyncio.Lock()
        self._retrying = False
        self._tasks = Tasks("spool")

    async def write_entry(self, entry: Entry) -> None:
        """Returns when the entry is on disk, or in memory because the disk refuses it."""
        self._memory.append(entry)
        if len(self._memory) > MEMORY_ENTRIES:
            self._drop_entry(self._memory.popleft())
        if not await self._write_from_memory() and not self._retrying:
            self._retrying = True
            self._tasks.spawn(self._retry_until_written())
            self.failing_changes.put_nowait(True)

    async def close(self) -> None:
        """Tries once more; entries that the disk still refuses are lost."""
        await self._tasks.close()
        await self._write_from_memory()
        while self._memory:
            self._drop_entry(self._memory.popleft())

    async def _retry_until_written(self) -> None:
        while self._memory:
            await asyncio.sleep(RETRY_S)
            await self._write_from_memory()
        self._retrying = False
        logger.info("entries are written again")
        self.failing_changes.put_nowait(False)

    async def _write_from_memory(self) -> bool:
        """Writes what is in memory, in order; False if the disk refuses."""
        async with self._writing:
            while self._memory:
                entry = self._memory[0]
                try:
                    await self._spool.write_entry(entry)
                except sqlite3.Error as error:
                    metrics.SPOOL_FAILURES.inc()
                    alarm("spool_failing", True)
                    logger.error("an entry waits in memory", extra=_log_facts(entry, error))
                    return False
                # a full memory may have dropped it in the meantime
                if self._memory and self._memory[0] is entry:
                    self._memory.popleft()
            alarm("spool_failing", False)
            return True

    def _drop_entry(self, entry: Entry) -> None:
        metrics.SPOOL_LOST.inc(kind=entry.kind)
        logger.error("an entry is lost", extra=_log_facts(entry))


def _log_facts(entry: Entry, error: Exception | None = None) -> dict[str, str]:
    why = {} if error is None else {"why": type(error).__name__}
    return {"session_id": str(entry.session_id), "kind": entry.kind, "key": entry.key, **why}
