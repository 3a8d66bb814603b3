"""Deletes accounts and sessions, with everything that belongs to them.

Most rows follow by the `on delete` of their foreign keys; the rest is deleted here.
`tests/db/test_deleting.py` fails for a table that is forgotten.

A line of the tutor belongs to the person it was said to (`to_account_id`, `in_reply_to`). No text
is searched for names: Bodh puts a name only into lines to that person, because the tutor does not
know what classmates are called (decision 8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from db import Connection, NotFound
from db.erasures import Erasure, insert_erasure, lock_against_writers, new_erasure
from db.storage import Storage


@dataclass(frozen=True)
class Deleted:
    """`segments` were said by the account or to it, or in the session."""

    erasure: Erasure
    segments: int


async def delete_account(db: Connection, tenant_id: UUID, erasure: Erasure) -> Deleted:
    """Deletes a person: their words, the answers to them, attendance, progress, settings.

    The event logs keep their identity, which then belongs to nobody. Raises NotFound.
    """
    account_id = erasure.account_id
    assert account_id is not None  # noqa: S101 of this kind
    await lock_against_writers(db, tenant_id, account_id)
    known = await db.fetchval(
        "select exists (select from accounts where tenant_id = $1 and id = $2)",
        tenant_id,
        account_id,
    )
    if not known:
        raise NotFound(f"account {account_id}")
    sessions = await _list_sessions_of(db, tenant_id, account_id)
    await _insert_words_erasures(db, tenant_id, erasure, sessions)
    segments = await _delete_words(db, tenant_id, account_id, sessions)
    await _delete_dead_letters(db, tenant_id, account_id)
    await insert_erasure(db, tenant_id, erasure)
    await db.execute("delete from accounts where tenant_id = $1 and id = $2", tenant_id, account_id)
    return Deleted(erasure, segments)


async def _list_sessions_of(db: Connection, tenant_id: UUID, account_id: UUID) -> list[UUID]:
    """Every session that the account may have been in, in order."""
    rows = await db.fetch(
        """select s.id from room_learners l
           join sessions s on s.tenant_id = l.tenant_id and s.room_id = l.room_id
           where l.tenant_id = $1 and l.account_id = $2
           union
           select session_id from livekit_participants where tenant_id = $1 and account_id = $2
           union
           select session_id from transcript_segments
           where tenant_id = $1 and $2 in (account_id, to_account_id)
           order by id""",
        tenant_id,
        account_id,
    )
    return [row["id"] for row in rows]


async def _insert_words_erasures(
    db: Connection, tenant_id: UUID, erasure: Erasure, sessions: Sequence[UUID]
) -> None:
    """Tells agents and drainers, who ask by session, that these words are erased."""
    for session_id in sessions:
        words = new_erasure(
            tenant_id,
            "words",
            erasure.erased_at,
            account_id=erasure.account_id,
            session_id=session_id,
        )
        await insert_erasure(db, tenant_id, words)


async def _delete_words(
    db: Connection, tenant_id: UUID, account_id: UUID, sessions: Sequence[UUID]
) -> int:
    """Deletes what the account said, and what the tutor said to it.

    Lines from before the listener was recorded, such as a greeting with the name, belong to
    everybody who was in the room.
    """
    count: int = await db.fetchval(
        """with gone as (
             delete from transcript_segments s
             where s.tenant_id = $1 and s.session_id = any($3) and (
               $2 in (s.account_id, s.to_account_id)
               or s.role = 'tutor' and s.to_account_id is null and s.in_reply_to is null
                 and exists (
                   select from livekit_participants p
                   where p.tenant_id = $1 and p.session_id = s.session_id and p.account_id = $2
                     and p.joined_at <= s.ended_at
                     and coalesce(p.left_at, 'infinity') >= date_trunc('second', s.started_at)))
             returning session_id, id
           ), kept as (
             insert into erased_segments (tenant_id, session_id, id)
             select $1, session_id, id from gone on conflict do nothing
           )
           select count(*) from gone""",
        tenant_id,
        account_id,
        sessions,
    )
    await db.execute(
        """delete from transcript_segments t using erased_segments e
           where t.tenant_id = $1 and t.session_id = any($2)
             and e.tenant_id = $1 and e.session_id = t.session_id and e.id = t.in_reply_to""",
        tenant_id,
        sessions,
    )
    return count


async def _delete_dead_letters(db: Connection, tenant_id: UUID, account_id: UUID) -> None:
    await db.execute(
        """delete from dead_letters d
           where d.tenant_id = $1 and (
             $2 in (d.payload ->> 'account_id', d.payload ->> 'to_account_id')
             or exists (select from erased_segments e
                        where e.tenant_id = $1 and e.session_id::text = d.payload ->> 'session_id'
                          and e.id = d.payload ->> 'in_reply_to'))""",
        tenant_id,
        str(account_id),
    )


async def delete_session(db: Connection, tenant_id: UUID, erasure: Erasure) -> Deleted:
    """Deletes a session with its words, attendance and event log. Raises NotFound.

    A running one must have ended: its agent and its learners would go on without it.
    """
    session_id = erasure.session_id
    assert session_id is not None  # noqa: S101 of this kind
    await lock_against_writers(db, tenant_id, session_id)
    known = await db.fetchval(
        "select exists (select from sessions where tenant_id = $1 and id = $2)",
        tenant_id,
        session_id,
    )
    if not known:
        raise NotFound(f"session {session_id}")
    await insert_erasure(db, tenant_id, erasure)
    segments: int = await db.fetchval(
        "select count(*) from transcript_segments where tenant_id = $1 and session_id = $2",
        tenant_id,
        session_id,
    )
    await db.execute(
        "delete from dead_letters where tenant_id = $1 and payload ->> 'session_id' = $2",
        tenant_id,
        str(session_id),
    )
    await db.execute("delete from sessions where tenant_id = $1 and id = $2", tenant_id, session_id)
    return Deleted(erasure, segments)


async def delete_objects(storage: Storage, erasure: Erasure) -> int:
    """Deletes the stored objects of an account or a session. Returns how many.

    Call it before the rows are deleted: if the store fails, the erasure can be repeated.
    """
    if erasure.kind == "words":
        return 0
    folder = object_folder(erasure.kind, erasure.account_id or erasure.session_id)
    names = await storage.list_names(erasure.tenant_id, folder)
    await storage.delete(erasure.tenant_id, names)
    return len(names)


def object_folder(kind: Literal["account", "session"], owner: UUID | None) -> str:
    return f"{kind}s/{owner}"
