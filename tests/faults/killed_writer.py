"""Writes segments to a spool until it is killed; prints each one that the spool acknowledged."""

import asyncio
import json
import os
import sys
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

from agent.durable.spool import Entry, Spool


async def write_until_killed() -> None:
    """Reads its orders from the first line of stdin; prints ids of acknowledged segments."""
    orders = json.loads(sys.stdin.readline())
    spool = Spool(Path(orders["spool"]))
    epoch, said = orders["epoch"], orders["segment"]
    begin = datetime.fromisoformat(said["started_at"])
    for number in count(1):
        at = begin + timedelta(hours=epoch, seconds=number)
        segment = said | {
            "id": f"{epoch}-{number}",
            "epoch": epoch,
            "local_seq": number,
            "started_at": at.isoformat(),
            "ended_at": at.isoformat(),
        }
        ids = UUID(orders["tenant_id"]), UUID(said["session_id"])
        await spool.write_entry(Entry(*ids, "segment", segment["id"], segment))
        os.write(1, f"{segment['id']}\n".encode())  # one call: a kill leaves a whole line or none


if __name__ == "__main__":
    asyncio.run(write_until_killed())
