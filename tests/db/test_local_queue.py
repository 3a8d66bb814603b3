"""The durable queue of a host: files of an earlier version are upgraded without loss."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

from agent.durable.spool import Entry, Spool
from db.local_inbox import LocalInbox, MediaEvent
from tests.db.rows import NOW

# as earlier versions created them
OLD_SPOOL = """
create table entries (
  seq integer primary key autoincrement,
  tenant_id text not null,
  session_id text not null,
  kind text not null,
  key text not null,
  payload text not null,
  created_at real not null,
  drained_at real,
  unique (session_id, kind, key)
);
create table probe (id integer primary key check (id = 1), ballast blob not null);
create index entries_waiting on entries (seq) where drained_at is null;
"""
OLD_INBOX = """
create table events (
  seq integer primary key autoincrement,
  id text not null unique,
  payload text not null,
  received_at real not null,
  try_at real not null,
  processed_at real,
  error text
);
create index events_waiting on events (seq) where processed_at is null and error is null;
"""
OLD_PUT = (
    "insert or ignore into entries (tenant_id, session_id, kind, key, payload, created_at)"
    " values (?, ?, 'segment', ?, ?, 1.0)"
)
TENANT, SESSION = UUID(int=1), UUID(int=2)


def old_spool(path: Path) -> sqlite3.Connection:
    """Entries 1-1 (drained), 1-2 and 1-3."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.executescript(OLD_SPOOL)
    for number in (1, 2, 3):
        db.execute(OLD_PUT, (str(TENANT), str(SESSION), f"1-{number}", f'{{"n": {number}}}'))
    db.execute("update entries set drained_at = 2.0 where seq = 1")
    return db


async def test_spool_of_an_earlier_version_keeps_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    old_spool(path).close()
    spool = Spool(path)
    waiting = await spool.list_waiting(10)
    assert [(entry.key, entry.payload, entry.seq) for entry in waiting] == [
        ("1-2", {"n": 2}, 2),
        ("1-3", {"n": 3}, 3),
    ]
    assert {(entry.tenant_id, entry.session_id, entry.kind) for entry in waiting} == {
        (TENANT, SESSION, "segment")
    }
    await spool.write_entry(Entry(TENANT, SESSION, "segment", "1-1", {}))  # repeats the drained one
    assert await spool.count_waiting() == 2
    assert await spool.list_newest_drained() == {(TENANT, SESSION): 1}
    await spool.close()


async def test_agent_of_an_earlier_version_can_still_write_to_the_spool(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    with closing(old_spool(path)) as old:  # an old agent still runs during the upgrade
        spool = Spool(path)
        old.execute(OLD_PUT, (str(TENANT), str(SESSION), "1-4", "{}"))
        assert [entry.key for entry in await spool.list_waiting(10)] == ["1-2", "1-3", "1-4"]
        await spool.close()


async def test_inbox_of_an_earlier_version_keeps_every_event(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.executescript(OLD_INBOX)
        rows = [
            ("EV_done", 1.0, 2.0, None),
            ("EV_waits", 1.0, None, None),
            ("EV_failed", 1.0, None, "KeyError"),
            ("EV_deferred", 9e9, None, None),
            ("EV_next", 1.0, None, None),
        ]
        for key, due, done, error in rows:
            payload = json.dumps({"id": key, "name": "room_started", "at": NOW.isoformat()})
            db.execute(
                "insert into events (id, payload, received_at, try_at, processed_at, error)"
                " values (?, ?, 1.0, ?, ?, ?)",
                (key, payload, due, done, error),
            )
    inbox = LocalInbox(path)
    waiting = await inbox.list_waiting(10)
    assert [one.event for one in waiting] == [
        MediaEvent("EV_waits", "room_started", NOW),
        MediaEvent("EV_next", "room_started", NOW),
    ]
    assert waiting[0].age_s > 1e9
    assert (await inbox.count_waiting(), await inbox.count_failed()) == (3, 1)
    assert not await inbox.put_event(MediaEvent("EV_done", "room_started", NOW))
    assert not await inbox.put_event(MediaEvent("EV_failed", "room_started", NOW))
    await inbox.close()


async def test_processes_that_open_an_old_file_at_once_upgrade_it_once(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    old_spool(path).close()
    spools = await asyncio.gather(*(asyncio.to_thread(Spool, path) for _ in range(8)))
    assert [len(await spool.list_waiting(10)) for spool in spools] == [2] * 8
    for spool in spools:
        await spool.close()


async def test_failed_and_deferred_entries_do_not_wait(tmp_path: Path) -> None:
    inbox = LocalInbox(tmp_path / "inbox.sqlite3")
    for number in range(3):
        await inbox.put_event(MediaEvent(f"EV_{number}", "room_started", NOW))
    first, second, third = await inbox.list_waiting(10)
    await inbox.mark_failed(first, "ValueError")
    await inbox.defer_rows([second], 3600.0)
    assert [webhook.seq for webhook in await inbox.list_waiting(10)] == [third.seq]
    await inbox.defer_rows([second], 0.0)
    assert [webhook.seq for webhook in await inbox.list_waiting(10)] == [second.seq, third.seq]
    await inbox.close()
