"""Spool entries reach Postgres once and in order, whatever happens in between."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import TypeAdapter

from agent.durable.drain import Drainer, report_backlog
from agent.durable.spool import Entry, Spool
from db import Pool, create_pool, tenant_tx
from db.rooms import ensure_room
from db.sessions import insert_session
from db.transcripts import Segment, list_segments
from tests.conftest import Database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_segments = TypeAdapter(Segment)


def segment(session_id: UUID, number: int, **changes: Any) -> dict[str, Any]:
    """A spool payload. Higher numbers are spoken later."""
    made = Segment(
        session_id=session_id, id=f"1-{number}", account_id=None, identity="a_1", name="Bodh",
        role="tutor", source="voice", text=f"sentence {number}",
        started_at=NOW + timedelta(seconds=number), ended_at=NOW + timedelta(seconds=number + 1),
        lesson_id=None, language="en", confidence=None, interrupted=False, in_reply_to=None,
        provenance="live", epoch=1, local_seq=number,
    )  # fmt: skip
    payload: dict[str, Any] = _segments.dump_python(made, mode="json")
    return payload | changes


@pytest.fixture
async def session_id(pool: Pool, sample: Any, tenant_id: UUID) -> UUID:
    async with tenant_tx(pool, tenant_id) as db:
        module = await db.fetchrow("select id, course_id from modules limit 1")
        assert module is not None
        room = await ensure_room(
            db, tenant_id, name=str(uuid4()), course_id=module["course_id"], module_id=module["id"]
        )
        return (await insert_session(db, tenant_id, room.id, "RM_1", NOW)).id


async def stored(pool: Pool, tenant_id: UUID, session_id: UUID) -> list[str]:
    async with tenant_tx(pool, tenant_id) as db:
        return [one.id for one in await list_segments(db, tenant_id, session_id)]


async def test_entries_arrive_once_and_in_order_even_if_put_twice(
    pool: Pool, tenant_id: UUID, session_id: UUID, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool.sqlite3")
    for number in [*range(1, 301), 7, 300]:
        payload = segment(session_id, number)
        await spool.write_entry(Entry(tenant_id, session_id, "segment", payload["id"], payload))
    drainer = Drainer(spool, pool)
    while await drainer.drain_batch():
        pass
    assert await stored(pool, tenant_id, session_id) == [f"1-{n}" for n in range(1, 301)]
    assert await spool.oldest_waiting_s() == 0.0
    await spool.close()


async def test_bad_entry_becomes_a_dead_letter_and_others_are_stored(
    pool: Pool, database: Database, tenant_id: UUID, session_id: UUID, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool.sqlite3")
    odd = [segment(session_id, 2, role="ghost"), segment(uuid4(), 3)]
    for payload in (segment(session_id, 1), *odd, segment(session_id, 4)):
        key = f"{payload['session_id']}:{payload['id']}"
        await spool.write_entry(Entry(tenant_id, session_id, "segment", key, payload))
    drain_pool = await create_pool(database.dsn("bodh_drain"))
    while await Drainer(spool, drain_pool).drain_batch():
        pass
    await drain_pool.close()
    await spool.close()
    assert await stored(pool, tenant_id, session_id) == ["1-1", "1-4"]
    owner = await asyncpg.connect(database.dsn("postgres"))
    assert await owner.fetchval("select count(*) from dead_letters") == 2
    await owner.close()


async def test_entries_wait_while_postgres_is_away(
    pool: Pool, database: Database, tenant_id: UUID, session_id: UUID, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool.sqlite3")
    payload = segment(session_id, 1)
    await spool.write_entry(Entry(tenant_id, session_id, "segment", "1-1", payload))
    away = await create_pool(f"postgresql://bodh_drain@/bodh?host={tmp_path}")
    task = asyncio.create_task(Drainer(spool, away).run())
    while await spool.oldest_waiting_s() < 0.6:
        assert not task.done()
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await Drainer(spool, pool).drain_batch() == 1
    assert await stored(pool, tenant_id, session_id) == ["1-1"]
    await away.close()
    await spool.close()


async def test_metrics_continue_after_the_spool_could_not_be_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "spool.sqlite3"
    spool = Spool(path)
    with closing(sqlite3.connect(path)) as operator:
        operator.execute("alter table entries rename to away")
    task = asyncio.create_task(report_backlog(spool))
    while caplog.messages.count("the spool could not be counted") < 2:
        assert not task.done()
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await spool.close()


async def test_entries_survive_the_process_that_wrote_them(tenant_id: UUID, tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    first = Spool(path)
    await first.write_entry(Entry(tenant_id, uuid4(), "segment", "1-1", {"text": "kept"}))
    second = Spool(path)
    waiting = await second.list_waiting(10)
    assert [entry.payload for entry in waiting] == [{"text": "kept"}]
    await first.close()
    await second.close()
