"""What was said. Owns transcript_segments, dead_letters.

Rows come from the spool in batches and may come again: every write is idempotent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from db import Connection
from db.accounts import Account
from db.erasing import hold_sessions, note_erased


@dataclass(frozen=True)
class Segment:
    """Something said or typed. `id` is the spool's natural key, unique in its session.

    `text` is empty where the learner chose that their words and the answers to them are not stored.
    `account_id` is None for the tutor, `in_reply_to` the id of the segment answered, `local_seq`
    the order of the spool within an epoch.
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


COLUMNS = [field.name for field in fields(Segment)]


async def insert_segments(db: Connection, tenant_id: UUID, segments: Sequence[Segment]) -> int:
    """Stores what is not there yet and was not erased; returns how many were new.

    Raises asyncpg.ForeignKeyViolationError where a session is not there (then none is stored).
    """
    columns = [[_clean(getattr(segment, name)) for segment in segments] for name in COLUMNS]
    session_ids, ids, account_ids = columns[:3]
    await hold_sessions(db, tenant_id, session_ids)
    started_at = columns[COLUMNS.index("started_at")]
    await note_erased(db, tenant_id, session_ids, ids, account_ids, started_at)
    status = await db.execute(
        """insert into transcript_segments
             (tenant_id, session_id, id, account_id, identity, name, role, source, text,
              started_at, ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
              provenance, epoch, local_seq)
           select $1, s.* from unnest(
             $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::timestamptz[], $11::timestamptz[], $12::uuid[], $13::text[],
             $14::real[], $15::bool[], $16::text[], $17::text[], $18::int[], $19::bigint[])
             as s (session_id, id, account_id, identity, name, role, source, text, started_at,
                   ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                   provenance, epoch, local_seq)
           where not exists (
             select from erased_segments e
             where e.tenant_id = $1 and e.session_id = s.session_id
               and e.id in (s.id, s.in_reply_to))
           on conflict (tenant_id, session_id, id) do nothing""",
        tenant_id,
        *columns,
    )
    return int(status.split()[-1])


async def list_segments(
    db: Connection, tenant_id: UUID, session_id: UUID, *, present: Account | None
) -> list[Segment]:
    """The session's segments with words, in order of speaking.

    With `present` only that account's own, and what was said while they were there. The second in
    which they left counts whole: the media server, which is believed, tells no more of it.
    """
    rows = await db.fetch(
        """select session_id, id, account_id, identity, name, role, source, text, started_at,
                  ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                  provenance, epoch, local_seq
           from transcript_segments s
           where tenant_id = $1 and session_id = $2 and text <> ''
             and ($3::uuid is null or account_id = $3 or exists (
               select from livekit_participants p
               where p.tenant_id = $1 and p.session_id = $2 and p.account_id = $3
                 and p.joined_at <= s.ended_at
                 and coalesce(p.left_at, 'infinity') >= date_trunc('second', s.started_at)))
           order by started_at, epoch, local_seq""",
        tenant_id,
        session_id,
        None if present is None else present.id,
    )
    return [Segment(**row) for row in rows]


async def list_latest_segments(
    db: Connection, tenant_id: UUID, session_id: UUID, limit: int
) -> list[Segment]:
    """The newest segments of a session, whoever hears of them, newest first."""
    rows = await db.fetch(
        """select session_id, id, account_id, identity, name, role, source, text, started_at,
                  ended_at, lesson_id, language, confidence, interrupted, in_reply_to,
                  provenance, epoch, local_seq
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
    """Keeps what could not be stored, with the reason, once per entry; JSON-able payload.

    Words of a session in which their account has erased are not kept.
    """
    await db.execute(
        """insert into dead_letters (tenant_id, kind, entry_key, payload, error)
           select $1, $2, $3, $4, $5
           where not exists (
             select from erased_words
             where tenant_id = $1 and session_id::text = $4::jsonb ->> 'session_id'
               and account_id::text = $4::jsonb ->> 'account_id')
           and not exists (
             select from erased_segments
             where tenant_id = $1 and session_id::text = $4::jsonb ->> 'session_id'
               and id = $4::jsonb ->> 'in_reply_to')
           on conflict (tenant_id, kind, entry_key) do nothing""",
        tenant_id,
        kind,
        entry_key,
        json.dumps(payload).replace("\\u0000", ""),
        _clean(error),
    )


async def count_dead_letters(db: Connection, tenant_id: UUID) -> int:
    """How many entries of the tenant could not be stored."""
    count: int = await db.fetchval(
        "select count(*) from dead_letters where tenant_id = $1", tenant_id
    )
    return count


def _clean(value: Any) -> Any:
    """Postgres refuses NUL in text, and no word holds one."""
    return value.replace("\0", "") if isinstance(value, str) else value
