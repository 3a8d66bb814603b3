"""Removes erased people, sessions and words from a host's queue files: spool and inbox.

Each function gets an open file, and returns only when no byte of what it deleted is left on disk,
or False if another reader held the log: call it again then.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class People:
    """Identities and LiveKit rooms in the webhooks of an inbox that have taken effect."""

    identities: frozenset[str]
    room_sids: frozenset[str]


def list_session_and_account_ids(
    db: sqlite3.Connection, after: int
) -> tuple[dict[UUID, set[UUID]], int]:
    """Sessions and accounts of each tenant in entries after a seq, and the newest seq."""
    (newest,) = db.execute("select coalesce(max(seq), ?) from entries", (after,)).fetchone()
    rows = db.execute(
        "select distinct tenant_id, session_id, json_extract(payload, '$.account_id'),"
        " json_extract(payload, '$.to_account_id') from entries where seq > ? and seq <= ?",
        (after, newest),
    )
    owners: dict[UUID, set[UUID]] = {}
    for tenant, *ids in rows:
        owners.setdefault(UUID(tenant), set()).update(filter(None, map(_uuid, ids)))
    return owners, newest


def delete_entries_of(db: sqlite3.Connection, tenant_id: UUID, owners: Iterable[UUID]) -> bool:
    """Deletes the entries of these sessions and accounts, and what was said to the accounts."""
    ids = json.dumps([str(one) for one in owners])
    with db:
        db.execute("begin immediate")
        db.execute(
            "delete from entries where tenant_id = :tenant and ("
            " session_id in (select value from json_each(:ids))"
            " or json_extract(payload, '$.account_id') in (select value from json_each(:ids))"
            " or json_extract(payload, '$.to_account_id') in (select value from json_each(:ids)))",
            {"tenant": str(tenant_id), "ids": ids},
        )
    return _truncate_log(db)


def delete_words(
    db: sqlite3.Connection,
    session_id: UUID,
    account_id: UUID,
    until: datetime,
    answered: Iterable[str],
    *,
    waiting: bool = False,
) -> bool:
    """Deletes what the account said in a session up to `until`, and the answers to it.

    `answered` are ids of erased segments whose entries may be gone. Waiting entries stay unless
    `waiting`: Postgres refuses them and remembers their ids, so that late answers are found.
    """
    rows = db.execute(
        "select seq, payload from entries"
        " where session_id = ? and kind = 'segment' and (drained_at is not null or ?)",
        (str(session_id), waiting),
    )
    said = [(seq, json.loads(payload)) for seq, payload in rows]
    own = {seq for seq, payload in said if _was_said_by(payload, account_id, until)}
    ids = {*answered, *(payload.get("id") for seq, payload in said if seq in own)} - {None}
    gone = own | {
        seq for seq, payload in said if {payload.get("id"), payload.get("in_reply_to")} & ids
    }
    with db:
        db.execute("begin immediate")
        db.executemany("delete from entries where seq = ?", [(seq,) for seq in gone])
    return _truncate_log(db)


def list_people_of_webhooks(db: sqlite3.Connection) -> People:
    rows = db.execute(
        "select distinct json_extract(payload, '$.identity'), json_extract(payload, '$.room_sid')"
        " from entries where (drained_at is not null or error is not null)"
        " and not coalesce(json_extract(payload, '$.agent'), 0)"
    ).fetchall()
    return People(
        frozenset(identity for identity, _ in rows if identity),
        frozenset(room_sid for _, room_sid in rows if room_sid),
    )


def delete_webhooks_of(db: sqlite3.Connection, people: People) -> bool:
    """Deletes webhooks that have taken effect and name one of these."""
    with db:
        db.execute("begin immediate")
        db.execute(
            "delete from entries where (drained_at is not null or error is not null) and ("
            " json_extract(payload, '$.identity') in (select value from json_each(?))"
            " or json_extract(payload, '$.room_sid') in (select value from json_each(?)))",
            (json.dumps(sorted(people.identities)), json.dumps(sorted(people.room_sids))),
        )
    return _truncate_log(db)


def _truncate_log(db: sqlite3.Connection) -> bool:
    """The write-ahead log holds the old pages until it is truncated."""
    (busy, _, _) = db.execute("pragma wal_checkpoint(truncate)").fetchone()
    return not busy


def _was_said_by(payload: dict[str, Any], account_id: UUID, until: datetime) -> bool:
    if payload.get("account_id") != str(account_id):
        return False
    try:
        return datetime.fromisoformat(payload["started_at"]) <= until
    except (KeyError, TypeError, ValueError):
        return True  # an entry that became a dead letter may have no start


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
