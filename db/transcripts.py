"""What was said. Owns transcript_segments, dead_letters.

Rows come from the spool in batches, some of them twice, so every write is idempotent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from db import Connection
from db.erasing import mark_late_segments_erased
from db.erasures import list_erased_ids, lock_against_erasing


@dataclass(frozen=True)
class Segment:
    """Something said or typed; `id` is unique in its session.

    `text` is empty if the learner chose not to store their words and the answers to them.
    `account_id` is None for the tutor, whose `to_account_id` is the learner it spoke to.
    `in_reply_to` is the id of the segment that was answered, `local_seq` the order in an epoch.
    """

    session_id: UUID
    id: str
    account_id: UUID | None
    identity: str
    name: str
    role: Literal["learner", "tutor"]
    source: Literal["voice", "text"]
    text: str
    started_at: datetime
    ended_at: datetime
    lesson_id: UUID | None
    language: str | None
    confidence: float | None
    interrupted: bool
    in_reply_to: str | None
    provenance: Literal["content", "live", "final"]
    epoch: int
    local_seq: int
    to_account_id: UUID | None = None


COLUMNS = [field.name for field in fields(Segment)]


async def insert_segments(db: Connection, tenant_id: UUID, segments: Sequence[Segment]) -> int:
    """Stores new segments, except erased ones. Returns how many it stored.

    Raises asyncpg.ForeignKeyViolationError if a session is missing, and stores none.
    """
    owners = [
        owner for one in segments for owner in (one.session_id, one.account_id, one.to_account_id)
    ]
    await lock_against_erasing(db, tenant_id, owners)
    gone = await list_erased_ids(db, tenant_id, owners)
    segments = [one for one in segments if not {one.session_id, one.to_account_id} & gone]
    columns = [[_without_nul(getattr(segment, name)) for segment in segments] for name in COLUMNS]
    session_ids, ids, account_ids = columns[:3]
    started_at = columns[COLUMNS.index("started_at")]
    await mark_late_segments_erased(db, tenant_id, session_ids, ids, account_ids, started_at)
    status = await db.execute(
        """insert into transcript_segments
             (tenant_id, session_id, id, account_id, identity, name, role, source, text,
              started_at, ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
              provenance, epoch, local_seq, to_account_id)
           select $1, s.* from unnest(
             $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::timestamptz[], $11::timestamptz[], $12::uuid[], $13::text[],
             $14::real[], $15::bool[], $16::text[], $17::text[], $18::int[], $19::bigint[],
             $20::uuid[])
             as s (session_id, id, account_id, identity, name, role, source, text, started_at,
                   ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                   provenance, epoch, local_seq, to_account_id)
           where not exists (
             select from erased_segments e
             where e.tenant_id = $1 and e.session_id = s.session_id
               and e.id in (s.id, s.in_reply_to))
           on conflict (tenant_id, session_id, id) do nothing""",
        tenant_id,
        *columns,
    )
    return int(status.split()[-1])


async def list_segments(db: Connection, tenant_id: UUID, session_id: UUID) -> list[Segment]:
    rows = await db.fetch(
        """select session_id, id, account_id, identity, name, role, source, text, started_at,
                  ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                  provenance, epoch, local_seq, to_account_id
           from transcript_segments
           where tenant_id = $1 and session_id = $2 and text <> ''
           order by started_at, epoch, local_seq""",
        tenant_id,
        session_id,
    )
    return [Segment(**row) for row in rows]


async def list_heard_segments(
    db: Connection, tenant_id: UUID, session_id: UUID, listener_id: UUID
) -> list[Segment]:
    rows = await db.fetch(
        """select session_id, id, account_id, identity, name, role, source, text, started_at,
                  ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                  provenance, epoch, local_seq, to_account_id
           from heard_segments
           where tenant_id = $1 and session_id = $2 and listener_id = $3
           order by started_at, epoch, local_seq""",
        tenant_id,
        session_id,
        listener_id,
    )
    return [Segment(**row) for row in rows]


async def list_latest_segments(
    db: Connection, tenant_id: UUID, session_id: UUID, limit: int
) -> list[Segment]:
    rows = await db.fetch(
        """select session_id, id, account_id, identity, name, role, source, text, started_at,
                  ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                  provenance, epoch, local_seq, to_account_id
           from transcript_segments where tenant_id = $1 and session_id = $2
           order by epoch desc, local_seq desc limit $3""",
        tenant_id,
        session_id,
        limit,
    )
    return [Segment(**row) for row in rows]


async def insert_dead_letter(
    db: Connection,
    tenant_id: UUID,
    *,
    kind: str,
    entry_key: str,
    payload: Mapping[str, Any],
    error: str,
) -> None:
    """Stores a rejected entry, once, with the error.

    Does nothing if its account or session was erased, or its account has erased words in it.
    """
    await db.execute(
        """insert into dead_letters (tenant_id, kind, entry_key, payload, error)
           select $1, $2, $3, $4, $5
           where not exists (
             select from erasures
             where tenant_id = $1 and (
               session_id::text = $4::jsonb ->> 'session_id'
                 and (kind = 'session' or account_id::text = $4::jsonb ->> 'account_id')
               or kind = 'account' and account_id::text
                 in ($4::jsonb ->> 'account_id', $4::jsonb ->> 'to_account_id')))
           and not exists (
             select from erased_segments
             where tenant_id = $1 and session_id::text = $4::jsonb ->> 'session_id'
               and id = $4::jsonb ->> 'in_reply_to')
           on conflict (tenant_id, kind, entry_key) do nothing""",
        tenant_id,
        kind,
        entry_key,
        json.dumps(payload).replace("\\u0000", ""),
        _without_nul(error),
    )


async def count_dead_letters(db: Connection, tenant_id: UUID) -> int:
    count: int = await db.fetchval(
        "select count(*) from dead_letters where tenant_id = $1", tenant_id
    )
    return count


def _without_nul(value: Any) -> Any:
    """Postgres refuses NUL in text."""
    return value.replace("\0", "") if isinstance(value, str) else value
