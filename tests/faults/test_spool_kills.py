"""Jobs killed while they write: every acknowledged segment is stored once and in order."""

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from agent.durable.drain import Drainer
from agent.durable.spool import Spool
from db import Pool, create_pool, tenant_tx
from db.transcripts import Segment, list_segments
from tests.conftest import ROOT, Database
from tests.db.rows import make_session, segment
from tests.faults.figures import FOLDER
from tests.soak import SOAK

KILLS = 200 if SOAK else 10
LONGEST_S = 0.25  # of writing, at some 200 segments a second

_segments = TypeAdapter(Segment)


async def killed_in_mid_write(orders: dict[str, Any], seconds: float) -> list[str]:
    """Kills a writer some time after its first segment. Returns the acknowledged ids."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.killed_writer", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(json.dumps(orders).encode() + b"\n")
    async with asyncio.timeout(30):
        first = await writer.stdout.readline()
    await asyncio.sleep(seconds)
    writer.kill()
    rest, _ = await writer.communicate()
    return (first + rest).decode().split()


@pytest.mark.timeout(900)
async def test_no_acknowledged_segment_is_lost_stored_twice_or_out_of_order(
    pool: Pool, database: Database, tenant_id: UUID, tmp_path: Path
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
    said = _segments.dump_python(segment(session_id, "1", 0, None), mode="json")
    path = tmp_path / "spool.sqlite3"
    spool, drain_pool = Spool(path), await create_pool(database.dsn("bodh_drain"))
    draining = asyncio.create_task(Drainer(spool, drain_pool).run())
    acknowledged: list[str] = []
    orders = {"spool": str(path), "tenant_id": str(tenant_id), "segment": said}
    for epoch in range(1, KILLS + 1):
        seconds = random.uniform(0, LONGEST_S)  # noqa: S311 a moment to be killed at
        acknowledged += await killed_in_mid_write(orders | {"epoch": epoch}, seconds)
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    drainer = Drainer(spool, drain_pool)
    while await drainer.drain_batch():
        pass
    await spool.close()
    await drain_pool.close()
    async with tenant_tx(pool, tenant_id) as db:
        stored = [one.id for one in await list_segments(db, tenant_id, session_id)]
    keep_figures(acknowledged, stored)
    assert set(acknowledged) - set(stored) == set()
    assert len(stored) == len(set(stored))
    # each epoch is whole from its first segment; the one cut by the kill may be missing
    ends = [sum(one.startswith(f"{epoch}-") for one in stored) for epoch in range(1, KILLS + 1)]
    whole = [f"{epoch}-{n}" for epoch, end in enumerate(ends, 1) for n in range(1, end + 1)]
    assert stored == whole
    assert 0 <= len(stored) - len(acknowledged) <= KILLS


def keep_figures(acknowledged: list[str], stored: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures = {
        "kills": KILLS,
        "acknowledged": len(acknowledged),
        "acknowledged_lost": len(set(acknowledged) - set(stored)),
        "stored": len(stored),
        "doubled": len(stored) - len(set(stored)),
    }
    (FOLDER / "spool_kills.json").write_text(json.dumps(figures) + "\n")
    print(figures)  # noqa: T201
