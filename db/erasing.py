"""Erasing what was said. Owns erased_words and erased_segments.

Erasures are kept: `db.transcripts` checks them before storing, because words may arrive late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db import Connection


@dataclass(frozen=True)
class ErasedWords:
    """An account has erased what it said in a session until `erased_at`.

    `segment_ids` are all erased segments of the session, of any account.
    """

    session_id: UUID
    account_id: UUID
    erased_at: datetime
    segment_ids: tuple[str, ...]


async def erase_words(
    db: Connection, tenant_id: UUID, session_id: UUID, account_id: UUID, now: datetime
) -> int:
    """Deletes what the account said in a session, and the tutor's answers to it.

    Returns how many segments of the account it deleted. The drainers then sweep the spools.
    """
    await db.execute(
        "select pg_advisory_xact_lock(hashtextextended('words ' || $1::text, 0))", str(session_id)
    )
    await db.execute(
        """insert into erased_words as e (tenant_id, session_id, account_id, erased_at)
           values ($1, $2, $3, $4)
           on conflict (tenant_id, session_id, account_id)
           do update set erased_at = greatest(e.erased_at, excluded.erased_at)""",
        tenant_id,
        session_id,
        account_id,
        now,
    )
    count: int = await db.fetchval(
        """with gone as (
             delete from transcript_segments
             where tenant_id = $1 and session_id = $2 and account_id = $3 returning id
           ), kept as (
             insert into erased_segments (tenant_id, session_id, id)
             select $1, $2, id from gone on conflict do nothing
           )
           select count(*) from gone""",
        tenant_id,
        session_id,
        account_id,
    )
    await _erase_answers(db, tenant_id, session_id, account_id)
    return count


async def _erase_answers(
    db: Connection, tenant_id: UUID, session_id: UUID, account_id: UUID
) -> None:
    await db.execute(
        """delete from transcript_segments
           where tenant_id = $1 and session_id = $2 and in_reply_to in (
             select id from erased_segments where tenant_id = $1 and session_id = $2)""",
        tenant_id,
        session_id,
    )
    await db.execute(
        """delete from dead_letters
           where tenant_id = $1 and kind = 'segment' and payload ->> 'session_id' = $2
             and (payload ->> 'account_id' = $3 or payload ->> 'in_reply_to' in (
               select id from erased_segments where tenant_id = $1 and session_id = $2::uuid))""",
        tenant_id,
        str(session_id),
        str(account_id),
    )


async def block_erasing(db: Connection, tenant_id: UUID, session_ids: Sequence[UUID]) -> None:
    """Blocks erasing in these sessions until the transaction ends."""
    for session_id in sorted(set(session_ids)):
        await db.execute(
            "select pg_advisory_xact_lock_shared(hashtextextended('words ' || $1::text, 0))",
            str(session_id),
        )


async def mark_late_segments_erased(
    db: Connection,
    tenant_id: UUID,
    session_ids: Sequence[UUID],
    segment_ids: Sequence[str],
    account_ids: Sequence[UUID | None],
    started_at: Sequence[datetime],
) -> None:
    """Marks late segments as erased if their account has since erased what it said."""
    await db.execute(
        """insert into erased_segments (tenant_id, session_id, id)
           select $1, s.session_id, s.id
           from unnest($2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[])
             as s (session_id, id, account_id, started_at)
           join erased_words e
             on e.tenant_id = $1 and e.session_id = s.session_id and e.account_id = s.account_id
               and s.started_at <= e.erased_at
           on conflict do nothing""",
        tenant_id,
        session_ids,
        segment_ids,
        account_ids,
        started_at,
    )


async def list_erased_words(
    db: Connection, tenant_id: UUID, session_ids: Sequence[UUID]
) -> list[ErasedWords]:
    rows = await db.fetch(
        """select session_id, account_id, erased_at, array(
             select s.id from erased_segments s
             where s.tenant_id = $1 and s.session_id = e.session_id) as segment_ids
           from erased_words e where tenant_id = $1 and session_id = any ($2)""",
        tenant_id,
        session_ids,
    )
    return [ErasedWords(**{**row, "segment_ids": tuple(row["segment_ids"])}) for row in rows]
