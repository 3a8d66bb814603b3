"""The hash chain of an event log. Pure: it is given the events, and reads no table."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

GENESIS = bytes(32)  # the first event is chained to this


@dataclass(frozen=True)
class SessionEvent:
    """`seq` counts from 1 without gaps; `at` is not always ascending."""

    session_id: UUID
    seq: int
    type: str
    version: int
    at: datetime
    payload: Mapping[str, Any]
    hash: bytes


@dataclass(frozen=True)
class EventHead:
    seq: int
    hash: bytes


def first_broken_seq(events: Sequence[SessionEvent], head: EventHead | None = None) -> int | None:
    """The seq of the first broken event, or None if the log is intact.

    Without the head, missing events at the end go undetected.
    """
    last = EventHead(0, GENESIS)
    for seq, event in enumerate(events, start=1):
        if event.seq != seq or event.hash != _hash_event(last.hash, event):
            return seq
        last = EventHead(seq, event.hash)
    return last.seq + 1 if head is not None and head != last else None


def canonical_json(payload: Mapping[str, Any]) -> str:
    """The JSON text that is hashed: sorted keys, no spaces, ASCII."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))


def _hash_event(previous: bytes, event: SessionEvent) -> bytes:
    """The same hash as in the SQL of `db/events.py`."""
    lines = (
        event.session_id,
        event.seq,
        event.type,
        event.version,
        format_time(event.at),
        canonical_json(event.payload),
    )
    return hashlib.sha256(previous + "\n".join(map(str, lines)).encode()).digest()


def format_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
