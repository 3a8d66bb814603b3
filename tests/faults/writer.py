"""A process that writes to a real spool, as a job does, until stdin ends."""

import asyncio
import json
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from agent.durable.spool import Entry, Kind, Spool


class Writer:
    """What the spool took and refused, and how long that took."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._spool = Spool(Path(orders["spool"]))
        self._ids = UUID(orders["tenant_id"]), UUID(orders["session_id"])
        self._orders = orders
        self._started_at = datetime.now(UTC)
        self.stored: list[str] = []
        self.refused: list[str] = []
        self.put_ms: list[float] = []
        self.lag_ms: list[float] = []

    async def run(self) -> None:
        """Joins, speaks at the ordered pace, leaves."""
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        period_s = 1 / self._orders["per_second"]
        await self._appear(None)
        number = 0
        while not ended.done():
            number += 1
            await self._speak(number)
            began = time.perf_counter()
            await asyncio.sleep(period_s)
            self.lag_ms.append((time.perf_counter() - began - period_s) * 1000)
        await self._appear(datetime.now(UTC))
        await self._spool.close()

    async def _speak(self, number: int) -> None:
        at = self._started_at + timedelta(seconds=number)
        key = f"1-{number}"
        said = {
            "id": key,
            "text": f"{number} {self._orders['words']}",
            "started_at": at.isoformat(),
            "ended_at": (at + timedelta(seconds=1)).isoformat(),
            "local_seq": number,
        }
        done = self.stored if await self._put("segment", key, said) else self.refused
        done.append(key)

    async def _appear(self, left_at: datetime | None) -> None:
        presence = {
            "session_id": self._orders["session_id"],
            "account_id": self._orders["segment"]["account_id"],
            "sid": "PA_1",
            "joined_at": self._started_at.isoformat(),
            "left_at": None if left_at is None else left_at.isoformat(),
        }
        await self._put("participant", f"PA_1:{'joined' if left_at is None else 'left'}", presence)

    async def _put(self, kind: Kind, key: str, payload: dict[str, Any]) -> bool:
        began = time.perf_counter()
        if kind == "segment":
            payload = self._orders["segment"] | payload
        try:
            await self._spool.write_entry(Entry(*self._ids, kind, key, payload))
        except sqlite3.Error:
            return False
        finally:
            self.put_ms.append((time.perf_counter() - began) * 1000)
        return True


def main() -> None:
    """Reads its orders as a line of JSON from stdin; prints its ledger as JSON."""
    writer = Writer(json.loads(sys.stdin.readline()))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    asyncio.run(writer.run())
    names = ("stored", "refused", "put_ms", "lag_ms")
    sys.stdout.write(json.dumps({name: getattr(writer, name) for name in names}))


if __name__ == "__main__":
    main()
