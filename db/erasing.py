"""Erasing what was said. Owns erased_segments.

`db.transcripts` checks the erasures before storing, because words may arrive late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db import Connection, NotFound
from db.erasures import Erasure, insert_erasure, lock_against_writers, new_erasure


@dataclass(frozen=True)
class ErasedWords:
    """An account has erased what it said in a session until `erased_at`.

    `segment_ids` are all erased segments of the session, of any account.
    """

    session_id: UUID
    account_id: UUID
    erased_at: datetime
    segment_ids: tuple[str, ...]


async def list_erased_words(
    db: Connection, tenant_id: UUID, session_ids: Sequence[UUID]
) -> list[ErasedWords]:
    """What accounts have erased in these sessions, including accounts that were deleted.

    An agent drops it from its memory, a drainer from its spool.
    """
    rows = await db.fetch(
        """select session_id, account_id, max(erased_at) as erased_at, array(
             select s.id from erased_segments s
             where s.tenant_id = $1 and s.session_id = e.session_id order by s.id) as segment_ids
           from erasures e
           where tenant_id = $1 and kind = 'words' and session_id = any ($2)
           group by session_id, account_id order by session_id, account_id""",
        tenant_id,
        session_ids,
    )
    return [ErasedWords(**{**row, "segment_ids": tuple(row["segment_ids"])}) for row in rows]


async def erase_words(
    db: Connection, tenant_id: UUID, session_id: UUID, account_id: UUID, now: datetime
) -> int:
    """Deletes what the account said in a session, and the tutor's answers to it.

    Returns how many segments of the account it deleted. The drainers then sweep the spools.
    Raises NotFound if the session or the account does not exist.
    """
    words = new_erasure(tenant_id, "words", now, account_id=account_id, session_id=session_id)
    return await erase_account_words_in_session(db, tenant_id, words)


async def erase_account_words_in_session(db: Connection, tenant_id: UUID, erasure: Erasure) -> int:
    session_id, account_id = erasure.session_id, erasure.account_id
    assert session_id is not None and account_id is not None  # noqa: S101, PT018 of this kind
    await lock_against_writers(db, tenant_id, session_id)
    known = await db.fetchval(
        """select exists (select from sessions where tenant_id = $1 and id = $2)
              and exists (select from accounts where tenant_id = $1 and id = $3)""",
        tenant_id,
        session_id,
        account_id,
    )
    if not known:
        raise NotFound("session")
    await insert_erasure(db, tenant_id, erasure)
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
    await _delete_answers_and_dead_letters(db, tenant_id, session_id, account_id)
    return count


async def _delete_answers_and_dead_letters(
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


async def mark_late_segments_erased(
    db: Connection,
    tenant_id: UUID,
    session_ids: Sequence[UUID],
    segment_ids: Sequence[str],
    account_ids: Sequence[UUID | None],
    started_at: Sequence[datetime],
) -> None:
    """Marks late segments as erased if their account has since erased them, or was erased."""
    await db.execute(
        """insert into erased_segments (tenant_id, session_id, id)
           select $1, s.session_id, s.id
           from unnest($2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[])
             as s (session_id, id, account_id, started_at)
           where exists (
             select from erasures e
             where e.tenant_id = $1 and e.account_id = s.account_id
               and (e.kind = 'account'
                    or e.session_id = s.session_id and s.started_at <= e.erased_at))
           on conflict do nothing""",
        tenant_id,
        session_ids,
        segment_ids,
        account_ids,
        started_at,
    )
