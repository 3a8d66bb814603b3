"""The write-ahead spool: what was said is on this host's disk before it has any effect."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

Kind = Literal["segment", "participant"]
KEEP_DRAINED_S = 24 * 3600  # drained entries stay a day, for an operator who has to look
PROBE_BYTES = 16 * 1024  # the longest segment needs no more

_SCHEMA = """
create table if not exists entries (
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
create table if not exists probe (id integer primary key check (id = 1), ballast blob not null);
create index if not exists entries_waiting on entries (seq) where drained_at is null;
"""


@dataclass(frozen=True)
class Entry:
    """One thing to store; `key` is unique in its session and kind, so a repeat changes nothing."""

    tenant_id: UUID
    session_id: UUID
    kind: Kind
    key: str
    payload: dict[str, Any]
    seq: int = 0


class Spool:
    """One SQLite file per host, shared by all jobs and the drainer (WAL, synchronous FULL)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._db = self._thread.submit(_open, path).result()

    async def put(self, entry: Entry) -> None:
        """Returns once the entry is on disk. Raises sqlite3.Error when it cannot be."""
        await self._run(_insert, self._db, entry)

    async def waiting(self, limit: int) -> list[Entry]:
        """The oldest entries that are not drained yet, in the order of `put`."""
        entries: list[Entry] = await self._run(_select_waiting, self._db, limit)
        return entries

    async def waiting_of(self, session_id: UUID) -> list[Entry]:
        """What this host still has to drain of a session's segments, in the order of `put`."""
        entries: list[Entry] = await self._run(_select_waiting_of, self._db, session_id)
        return entries

    async def mark_drained(self, entries: Iterable[Entry]) -> None:
        await self._run(_mark_drained, self._db, [entry.seq for entry in entries])

    async def count_waiting(self) -> int:
        """How many entries are not drained yet."""
        count: int = await self._run(_count_waiting, self._db)
        return count

    async def oldest_waiting_s(self) -> float:
        """Age in seconds of the oldest entry that is not drained; 0 when all are."""
        age_s: float = await self._run(_oldest_waiting_s, self._db)
        return age_s

    async def forget_drained(self) -> None:
        """Deletes entries drained more than KEEP_DRAINED_S ago."""
        await self._run(_forget, self._db, time.time() - KEEP_DRAINED_S)

    async def last_drained(self) -> dict[tuple[UUID, UUID], int]:
        """Tenant and session -> the newest drained entry, of all sessions that have one."""
        found: dict[tuple[UUID, UUID], int] = await self._run(_last_drained, self._db)
        return found

    async def erase(
        self, session_id: UUID, account_id: UUID, until: datetime, answered: Iterable[str]
    ) -> bool:
        """Deletes what the account said in a session until then, and the answers to it.

        `answered` are ids of erased segments whose entries may be gone already. Only drained
        entries go: Postgres refuses the waiting ones and remembers their ids. True once no byte of
        them is left on disk; else a reader held the log: call again.
        """
        erased: bool = await self._run(_erase, self._db, session_id, account_id, until, answered)
        return erased

    async def close(self) -> None:
        await self._run(self._db.close)
        self._thread.shutdown()

    async def _run(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


def check_spool(path: Path) -> None:
    """Writes to the spool as an entry does. Raises OSError or sqlite3.Error where it cannot."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = _open(path)
    try:
        db.execute(
            "insert or replace into probe (id, ballast) values (1, zeroblob(?))", (PROBE_BYTES,)
        )
    finally:
        db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    path.chmod(0o600)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("pragma secure_delete = on")  # erased words leave no trace in free pages
    db.executescript(_SCHEMA)
    return db


def _insert(db: sqlite3.Connection, entry: Entry) -> None:
    db.execute(
        "insert or ignore into entries (tenant_id, session_id, kind, key, payload, created_at)"
        " values (?, ?, ?, ?, ?, ?)",
        (
            str(entry.tenant_id),
            str(entry.session_id),
            entry.kind,
            entry.key,
            json.dumps(entry.payload),
            time.time(),
        ),
    )


def _select_waiting(db: sqlite3.Connection, limit: int) -> list[Entry]:
    rows = db.execute(
        "select tenant_id, session_id, kind, key, payload, seq from entries"
        " where drained_at is null order by seq limit ?",
        (limit,),
    )
    return [_entry(row) for row in rows]


def _select_waiting_of(db: sqlite3.Connection, session_id: UUID) -> list[Entry]:
    rows = db.execute(
        "select tenant_id, session_id, kind, key, payload, seq from entries"
        " where drained_at is null and session_id = ? and kind = 'segment' order by seq",
        (str(session_id),),
    )
    return [_entry(row) for row in rows]


def _entry(row: tuple[str, str, Kind, str, str, int]) -> Entry:
    tenant, session, kind, key, payload, seq = row
    return Entry(UUID(tenant), UUID(session), kind, key, json.loads(payload), seq)


def _mark_drained(db: sqlite3.Connection, seqs: list[int]) -> None:
    with db:  # a full disk leaves no open transaction behind
        db.execute("begin immediate")
        db.executemany(
            "update entries set drained_at = ? where seq = ?", [(time.time(), seq) for seq in seqs]
        )


def _count_waiting(db: sqlite3.Connection) -> int:
    (count,) = db.execute("select count(*) from entries where drained_at is null").fetchone()
    return int(count)


def _oldest_waiting_s(db: sqlite3.Connection) -> float:
    (created_at,) = db.execute(
        "select min(created_at) from entries where drained_at is null"
    ).fetchone()
    return 0.0 if created_at is None else max(0.0, time.time() - created_at)


def _forget(db: sqlite3.Connection, drained_before: float) -> None:
    db.execute("delete from entries where drained_at < ?", (drained_before,))


def _last_drained(db: sqlite3.Connection) -> dict[tuple[UUID, UUID], int]:
    rows = db.execute(
        "select tenant_id, session_id, max(seq) from entries where drained_at is not null"
        " group by tenant_id, session_id"
    )
    return {(UUID(tenant), UUID(session)): seq for tenant, session, seq in rows}


def _erase(
    db: sqlite3.Connection,
    session_id: UUID,
    account_id: UUID,
    until: datetime,
    answered: Iterable[str],
) -> bool:
    rows = db.execute(
        "select seq, payload from entries"
        " where session_id = ? and kind = 'segment' and drained_at is not null",
        (str(session_id),),
    )
    said = [(seq, json.loads(payload)) for seq, payload in rows]
    own = {seq for seq, payload in said if _is_own(payload, account_id, until)}
    ids = {*answered, *(payload.get("id") for seq, payload in said if seq in own)} - {None}
    gone = own | {
        seq for seq, payload in said if {payload.get("id"), payload.get("in_reply_to")} & ids
    }
    with db:
        db.execute("begin immediate")
        db.executemany("delete from entries where seq = ?", [(seq,) for seq in gone])
    # the log holds the pages as they were: only an empty one holds nothing
    (busy, _, _) = db.execute("pragma wal_checkpoint(truncate)").fetchone()
    return not busy


def _is_own(payload: dict[str, Any], account_id: UUID, until: datetime) -> bool:
    if payload.get("account_id") != str(account_id):
        return False
    try:
        return datetime.fromisoformat(payload["started_at"]) <= until
    except (KeyError, TypeError, ValueError):
        return True  # an entry that became a dead letter may have no moment
