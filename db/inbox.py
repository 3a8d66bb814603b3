"""The inbox: webhooks on this host's disk before they are answered, also while Postgres is away."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from pydantic import TypeAdapter

KEEP_PROCESSED_S = 24 * 3600  # longer than any signature holds, so a replay is known

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SCHEMA = """
create table if not exists events (
  seq integer primary key autoincrement,
  id text not null unique,
  payload text not null,
  received_at real not null,
  try_at real not null,
  processed_at real,
  error text
);
create index if not exists events_waiting on events (seq)
  where processed_at is null and error is null;
"""


@dataclass(frozen=True)
class Event:
    """A webhook, stripped to what has an effect: its body also holds secrets.

    `at` is when the media server made it, in whole seconds; `joined_at` belongs to the
    participant. What the event is not about is empty.
    """

    id: str
    name: str
    at: datetime
    room: str = ""
    room_sid: str = ""
    sid: str = ""
    identity: str = ""
    agent: bool = False
    joined_at: datetime | None = None


@dataclass(frozen=True)
class Letter:
    """An event in the inbox."""

    seq: int
    age_s: float
    event: Event


_events = TypeAdapter(Event)


class Inbox:
    """One SQLite file per host, shared by its token servers (WAL, synchronous FULL)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._db = self._thread.submit(_open, path).result()

    async def put(self, event: Event) -> bool:
        """Returns once the event is on disk; False where it was before. Raises sqlite3.Error."""
        return await self._run(_insert, self._db, event)

    async def waiting(self, limit: int) -> list[Letter]:
        """The oldest events that are due, in the order of `put`."""
        return await self._run(_select_waiting, self._db, limit)

    async def mark_processed(self, letters: Iterable[Letter]) -> None:
        await self._run(_mark_processed, self._db, [letter.seq for letter in letters])

    async def mark_failed(self, letter: Letter, error: str) -> None:
        """Sets an event aside for good, for an operator who has to look."""
        await self._run(_mark_failed, self._db, letter.seq, error)

    async def defer(self, letters: Iterable[Letter], pause_s: float) -> None:
        """These are due again after a pause."""
        await self._run(_defer, self._db, [letter.seq for letter in letters], pause_s)

    async def oldest_waiting_s(self) -> float:
        """Age in seconds of the oldest event without its effect; 0 when all have it."""
        return await self._run(_oldest_waiting_s, self._db)

    async def count_waiting(self) -> int:
        """How many events have no effect yet."""
        return await self._run(_count_waiting, self._db)

    async def count_failed(self) -> int:
        """How many events are set aside."""
        return await self._run(_count_failed, self._db)

    async def forget_processed(self) -> None:
        """Deletes events processed more than KEEP_PROCESSED_S ago."""
        await self._run(_forget, self._db, time.time() - KEEP_PROCESSED_S)

    async def close(self) -> None:
        await self._run(self._db.close)
        self._thread.shutdown()

    async def _run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        call = self._thread.submit(function, *args, **kwargs)
        return await asyncio.wrap_future(call)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    path.chmod(0o600)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.executescript(_SCHEMA)
    return db


def _insert(db: sqlite3.Connection, event: Event) -> bool:
    now = time.time()
    done = db.execute(
        "insert or ignore into events (id, payload, received_at, try_at) values (?, ?, ?, ?)",
        (event.id, _events.dump_json(event).decode(), now, now),
    )
    return done.rowcount == 1


def _select_waiting(db: sqlite3.Connection, limit: int) -> list[Letter]:
    now = time.time()
    rows = db.execute(
        "select seq, received_at, payload from events"
        " where processed_at is null and error is null and try_at <= ? order by seq limit ?",
        (now, limit),
    )
    return [Letter(seq, now - at, _events.validate_json(text)) for seq, at, text in rows]


def _mark_processed(db: sqlite3.Connection, seqs: list[int]) -> None:
    _each(db, "update events set processed_at = ? where seq = ?", time.time(), seqs)


def _mark_failed(db: sqlite3.Connection, seq: int, error: str) -> None:
    db.execute("update events set error = ? where seq = ?", (error, seq))


def _defer(db: sqlite3.Connection, seqs: list[int], pause_s: float) -> None:
    _each(db, "update events set try_at = ? where seq = ?", time.time() + pause_s, seqs)


def _each(db: sqlite3.Connection, statement: str, value: float, seqs: list[int]) -> None:
    with db:  # a full disk leaves no open transaction behind
        db.execute("begin immediate")
        db.executemany(statement, [(value, seq) for seq in seqs])


def _oldest_waiting_s(db: sqlite3.Connection) -> float:
    (received_at,) = db.execute(
        "select min(received_at) from events where processed_at is null and error is null"
    ).fetchone()
    return 0.0 if received_at is None else max(0.0, time.time() - received_at)


def _count_waiting(db: sqlite3.Connection) -> int:
    (count,) = db.execute(
        "select count(*) from events where processed_at is null and error is null"
    ).fetchone()
    return int(count)


def _count_failed(db: sqlite3.Connection) -> int:
    (count,) = db.execute("select count(*) from events where error is not null").fetchone()
    return int(count)


def _forget(db: sqlite3.Connection, processed_before: float) -> None:
    db.execute("delete from events where processed_at < ?", (processed_before,))
