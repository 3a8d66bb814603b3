"""A durable queue in a SQLite file of this host, which works without Postgres.

All processes of the host share it (WAL, synchronous FULL). The agents' spool and the webhooks'
inbox are such queues, each with its own kinds of entries.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

KEEP_DRAINED_S = 24 * 3600  # to recognise repeats, and for an operator to look at

_P = ParamSpec("_P")
_T = TypeVar("_T")

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
  due_at real not null default 0,
  error text,
  unique (session_id, kind, key)
)
"""
_WAITING = "create index if not exists entries_waiting on entries (seq) where drained_at is null"


@dataclass(frozen=True)
class Row:
    """`key` is unique within its session and kind."""

    kind: str
    key: str
    payload: str
    tenant_id: str = ""
    session_id: str = ""
    seq: int = 0
    created_at: float = 0.0  # epoch seconds, set by the queue


class Queued(Protocol):
    @property
    def seq(self) -> int: ...


class LocalQueue:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._db = self._thread.submit(open_queue_file, path).result()

    async def put_row(self, row: Row) -> bool:
        """Returns once the row is on disk; False if it already was. Raises sqlite3.Error."""
        return await self._run_in_thread(_insert_entry, self._db, row)

    async def list_waiting_rows(self, limit: int) -> list[Row]:
        return await self._run_in_thread(_select_waiting_entries, self._db, limit)

    async def mark_drained(self, entries: Iterable[Queued]) -> None:
        await self._run_in_thread(_mark_drained, self._db, [entry.seq for entry in entries])

    async def mark_failed(self, entry: Queued, error: str) -> None:
        """Sets an entry aside permanently, for an operator to look at."""
        await self._run_in_thread(_mark_failed, self._db, entry.seq, error)

    async def defer_rows(self, entries: Iterable[Queued], pause_s: float) -> None:
        await self._run_in_thread(
            _defer_entries, self._db, [entry.seq for entry in entries], pause_s
        )

    async def count_waiting(self) -> int:
        return await self._run_in_thread(_count_waiting, self._db)

    async def count_failed(self) -> int:
        return await self._run_in_thread(_count_failed, self._db)

    async def oldest_waiting_s(self) -> float:
        return await self._run_in_thread(_oldest_waiting_s, self._db)

    async def delete_drained(self) -> None:
        await self._run_in_thread(_delete_drained, self._db, time.time() - KEEP_DRAINED_S)

    async def close(self) -> None:
        await self._run_in_thread(self._db.close)
        self._thread.shutdown()

    async def _run_in_thread(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        call = self._thread.submit(function, *args, **kwargs)
        return await asyncio.wrap_future(call)


def open_queue_file(path: Path) -> sqlite3.Connection:
    """Creates the file if it is missing. Raises sqlite3.Error."""
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    path.chmod(0o600)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("pragma secure_delete = on")  # erased words leave no trace in free pages
    if not _is_schema_current(db):
        _create_or_upgrade_schema(db)
    return db


def _is_schema_current(db: sqlite3.Connection) -> bool:
    return "error" in _list_columns(db, "entries") and not _list_columns(db, "events")


def _create_or_upgrade_schema(db: sqlite3.Connection) -> None:
    """Creates the table, or upgrades the file of an earlier version without losing an entry."""
    with db:
        db.execute("begin immediate")  # another process may be doing the same
        db.execute(_SCHEMA)
        db.execute(_WAITING)
        if "error" not in _list_columns(db, "entries"):  # an old spool
            db.execute("alter table entries add column due_at real not null default 0")
            db.execute("alter table entries add column error text")
        if _list_columns(db, "events"):  # an old inbox, with its own table
            db.execute(
                "insert or ignore into entries (tenant_id, session_id, kind, key, payload,"
                " created_at, drained_at, due_at, error)"
                " select '', '', 'webhook', id, payload, received_at, processed_at, try_at, error"
                " from events order by seq"
            )
            db.execute("drop table events")


def _list_columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[0] for row in db.execute("select name from pragma_table_info(?)", (table,))}


def _insert_entry(db: sqlite3.Connection, row: Row) -> bool:
    now = time.time()
    done = db.execute(
        "insert or ignore into entries"
        " (tenant_id, session_id, kind, key, payload, created_at, due_at)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        (row.tenant_id, row.session_id, row.kind, row.key, row.payload, now, now),
    )
    return done.rowcount == 1


def _select_waiting_entries(db: sqlite3.Connection, limit: int) -> list[Row]:
    rows = db.execute(
        "select kind, key, payload, tenant_id, session_id, seq, created_at from entries"
        " where drained_at is null and error is null and due_at <= ? order by seq limit ?",
        (time.time(), limit),
    )
    return [Row(*row) for row in rows]


def _mark_drained(db: sqlite3.Connection, seqs: list[int]) -> None:
    _update_each(db, "update entries set drained_at = ? where seq = ?", time.time(), seqs)


def _mark_failed(db: sqlite3.Connection, seq: int, error: str) -> None:
    db.execute("update entries set error = ? where seq = ?", (error, seq))


def _defer_entries(db: sqlite3.Connection, seqs: list[int], pause_s: float) -> None:
    _update_each(db, "update entries set due_at = ? where seq = ?", time.time() + pause_s, seqs)


def _update_each(db: sqlite3.Connection, statement: str, value: float, seqs: list[int]) -> None:
    with db:  # a full disk leaves no open transaction behind
        db.execute("begin immediate")
        db.executemany(statement, [(value, seq) for seq in seqs])


def _count_waiting(db: sqlite3.Connection) -> int:
    (count,) = db.execute(
        "select count(*) from entries where drained_at is null and error is null"
    ).fetchone()
    return int(count)


def _count_failed(db: sqlite3.Connection) -> int:
    (count,) = db.execute("select count(*) from entries where error is not null").fetchone()
    return int(count)


def _oldest_waiting_s(db: sqlite3.Connection) -> float:
    (created_at,) = db.execute(
        "select min(created_at) from entries where drained_at is null and error is null"
    ).fetchone()
    return 0.0 if created_at is None else max(0.0, time.time() - created_at)


def _delete_drained(db: sqlite3.Connection, drained_before: float) -> None:
    db.execute("delete from entries where drained_at < ?", (drained_before,))
