"""How long data is kept. Owns retention_rules and retention_removals.

The nightly job in `jobs/retention.py` removes what is older, and records how much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, assert_never, get_args
from uuid import UUID

from db import Connection
from settings import Settings

RetentionKind = Literal["transcripts", "sessions", "accounts", "dead_letters", "access_log"]
KINDS: tuple[RetentionKind, ...] = get_args(RetentionKind)


@dataclass(frozen=True)
class Removal:
    """What the job removed on one day: transcripts count in segments, other kinds in rows."""

    kind: RetentionKind
    day: date
    older_than: datetime
    removed: int


def days_from_settings(settings: Settings) -> dict[RetentionKind, int]:
    """Days by kind; 0 keeps it forever."""
    return {
        "transcripts": settings.retention_transcripts_days,
        "sessions": settings.retention_sessions_days,
        "accounts": settings.retention_accounts_days,
        "dead_letters": settings.retention_dead_letters_days,
        "access_log": settings.retention_access_log_days,
    }


async def list_days(
    db: Connection, tenant_id: UUID, defaults: Mapping[RetentionKind, int]
) -> dict[RetentionKind, int]:
    """The defaults, except where the tenant has its own rule."""
    rows = await db.fetch("select kind, days from retention_rules where tenant_id = $1", tenant_id)
    return {**defaults, **{row["kind"]: row["days"] for row in rows}}


async def update_days(db: Connection, tenant_id: UUID, kind: RetentionKind, days: int) -> None:
    await db.execute(
        """insert into retention_rules (tenant_id, kind, days) values ($1, $2, $3)
           on conflict (tenant_id, kind) do update set days = excluded.days""",
        tenant_id,
        kind,
        days,
    )


async def delete_days(db: Connection, tenant_id: UUID, kind: RetentionKind) -> None:
    await db.execute(
        "delete from retention_rules where tenant_id = $1 and kind = $2", tenant_id, kind
    )


async def count_rows_due(
    db: Connection, tenant_id: UUID, kind: RetentionKind, before: datetime
) -> int:
    match kind:
        case "transcripts":
            query = """select count(*) from transcript_segments t
                       join sessions s on s.tenant_id = t.tenant_id and s.id = t.session_id
                       where t.tenant_id = $1 and s.status <> 'active'
                         and coalesce(s.ended_at, s.started_at) < $2"""
        case "sessions":
            query = """select count(*) from sessions
                       where tenant_id = $1 and status <> 'active'
                         and coalesce(ended_at, started_at) < $2"""
        case "accounts":
            query = """select count(*) from account_activity
                       where tenant_id = $1 and role = 'learner' and active_at < $2"""
        case "dead_letters":
            query = "select count(*) from dead_letters where tenant_id = $1 and created_at < $2"
        case "access_log":
            query = "select count(*) from access_log where tenant_id = $1 and at < $2"
        case _:
            assert_never(kind)
    count: int = await db.fetchval(query, tenant_id, before)
    return count


async def list_sessions_with_old_words(
    db: Connection, tenant_id: UUID, before: datetime, limit: int
) -> list[UUID]:
    rows = await db.fetch(
        """select s.id from sessions s
           where s.tenant_id = $1 and s.status <> 'active'
             and coalesce(s.ended_at, s.started_at) < $2 and exists (
               select from transcript_segments t
               where t.tenant_id = s.tenant_id and t.session_id = s.id)
           order by s.id limit $3""",
        tenant_id,
        before,
        limit,
    )
    return [row["id"] for row in rows]


async def list_old_sessions(
    db: Connection, tenant_id: UUID, before: datetime, limit: int
) -> list[UUID]:
    rows = await db.fetch(
        """select id from sessions
           where tenant_id = $1 and status <> 'active' and coalesce(ended_at, started_at) < $2
           order by id limit $3""",
        tenant_id,
        before,
        limit,
    )
    return [row["id"] for row in rows]


async def list_inactive_learners(
    db: Connection, tenant_id: UUID, before: datetime, limit: int
) -> list[UUID]:
    """Learners who have not signed in, opened a lesson or entered a room since."""
    rows = await db.fetch(
        """select id from account_activity
           where tenant_id = $1 and role = 'learner' and active_at < $2 order by id limit $3""",
        tenant_id,
        before,
        limit,
    )
    return [row["id"] for row in rows]


async def delete_words_of_sessions(
    db: Connection, tenant_id: UUID, session_ids: Sequence[UUID], limit: int
) -> int:
    status = await db.execute(
        """delete from transcript_segments where (tenant_id, session_id, id) in (
             select tenant_id, session_id, id from transcript_segments
             where tenant_id = $1 and session_id = any($2) limit $3)""",
        tenant_id,
        session_ids,
        limit,
    )
    return int(status.split()[-1])


async def delete_old_dead_letters(
    db: Connection, tenant_id: UUID, before: datetime, limit: int
) -> int:
    status = await db.execute(
        """delete from dead_letters where (tenant_id, id) in (
             select tenant_id, id from dead_letters
             where tenant_id = $1 and created_at < $2 limit $3)""",
        tenant_id,
        before,
        limit,
    )
    return int(status.split()[-1])


async def add_removal(db: Connection, tenant_id: UUID, removal: Removal) -> None:
    """Adds to what was removed on the same day, for example before the job was interrupted."""
    await db.execute(
        """insert into retention_removals as r (tenant_id, kind, day, older_than, removed)
           values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, kind, day)
           do update set older_than = excluded.older_than,
                         removed = r.removed + excluded.removed""",
        tenant_id,
        removal.kind,
        removal.day,
        removal.older_than,
        removal.removed,
    )


async def list_removals(db: Connection, tenant_id: UUID, limit: int) -> list[Removal]:
    rows = await db.fetch(
        """select kind, day, older_than, removed from retention_removals
           where tenant_id = $1 order by day desc, kind limit $2""",
        tenant_id,
        limit,
    )
    return [Removal(**row) for row in rows]
