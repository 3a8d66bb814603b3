"""The write-ahead spool: speech is on this host's disk before anything depends on it."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

from db.local_erasing import delete_entries_of, delete_words, list_session_and_account_ids
from db.local_queue import LocalQueue, Row, open_queue_file

Kind = Literal["segment", "participant"]
PROBE_BYTES = 16 * 1024  # more than the longest segment

_PROBE = "create table if not exists probe (id integer primary key, ballast blob not null)"


@dataclass(frozen=True)
class Entry:
    """One thing to store; `key` is unique within its session and kind."""

    tenant_id: UUID
    session_id: UUID
    kind: Kind
    key: str
    payload: dict[str, Any]
    seq: int = 0


class Spool(LocalQueue):
    async def write_entry(self, entry: Entry) -> None:
        """Returns once the entry is on disk; a repeat changes nothing. Raises sqlite3.Error."""
        await self.put_row(
            Row(
                entry.kind,
                entry.key,
                json.dumps(entry.payload),
                str(entry.tenant_id),
                str(entry.session_id),
            )
        )

    async def list_waiting(self, limit: int) -> list[Entry]:
        """The oldest entries that are not drained, in insertion order."""
        return [_entry_from_row(row) for row in await self.list_waiting_rows(limit)]

    async def list_waiting_segments(self, session_id: UUID) -> list[Entry]:
        return [
            _entry_from_row(row)
            for row in await self._run_in_thread(_select_waiting_segments, self._db, session_id)
        ]

    async def list_newest_drained(self) -> dict[tuple[UUID, UUID], int]:
        """Maps tenant and session to the seq of their newest drained entry."""
        return await self._run_in_thread(_select_newest_drained, self._db)

    async def erase_words(
        self, session_id: UUID, account_id: UUID, until: datetime, answered: Iterable[str]
    ) -> bool:
        """Deletes words that are drained: see `delete_words`. Returns False to be called again."""
        return await self._run_in_thread(
            delete_words, self._db, session_id, account_id, until, answered
        )

    async def list_session_and_account_ids(self, after: int) -> tuple[dict[UUID, set[UUID]], int]:
        return await self._run_in_thread(list_session_and_account_ids, self._db, after)

    async def erase_entries_of(self, tenant_id: UUID, owners: Iterable[UUID]) -> bool:
        """Deletes erased sessions and accounts. Returns False to be called again."""
        return await self._run_in_thread(delete_entries_of, self._db, tenant_id, owners)


def write_probe(path: Path) -> None:
    """Writes a probe larger than an entry. Raises OSError or sqlite3.Error if the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = open_queue_file(path)
    try:
        db.execute(_PROBE)
        db.execute(
            "insert or replace into probe (id, ballast) values (1, zeroblob(?))", (PROBE_BYTES,)
        )
    finally:
        db.close()


def _entry_from_row(row: Row) -> Entry:
    return Entry(
        UUID(row.tenant_id),
        UUID(row.session_id),
        cast(Kind, row.kind),
        row.key,
        json.loads(row.payload),
        row.seq,
    )


def _select_waiting_segments(db: sqlite3.Connection, session_id: UUID) -> list[Row]:
    rows = db.execute(
        "select kind, key, payload, tenant_id, session_id, seq from entries"
        " where drained_at is null and session_id = ? and kind = 'segment' order by seq",
        (str(session_id),),
    )
    return [Row(*row) for row in rows]


def _select_newest_drained(db: sqlite3.Connection) -> dict[tuple[UUID, UUID], int]:
    rows = db.execute(
        "select tenant_id, session_id, max(seq) from entries where drained_at is not null"
        " group by tenant_id, session_id"
    )
    return {(UUID(tenant), UUID(session)): seq for tenant, session, seq in rows}
