"""Who has read whose words. Owns access_log.

A row is written in the transaction that reads the words, so no words are sent without it. The
application's role can add rows, but neither change nor delete them. Reading the same words again
within a minute adds no row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from db import Connection
from db.accounts import Account

ReadRoute = Literal["transcript", "search", "export"]
ReaderRole = Literal["operator", "admin", "teacher", "learner"]


@dataclass(frozen=True)
class WordsRead:
    session_id: UUID
    account_id: UUID


@dataclass(frozen=True)
class AccessEntry:
    """Somebody has read the account's words.

    `reader_name` is None for an operator and for an account that was deleted, the session's facts
    for a session that was deleted.
    """

    at: datetime
    reader_role: ReaderRole
    reader_name: str | None
    route: ReadRoute
    session_id: UUID | None
    session_started_at: datetime | None
    module_title: str | None


async def record_reads(
    db: Connection,
    tenant_id: UUID,
    reader: Account | None,
    route: ReadRoute,
    words: Iterable[WordsRead],
    now: datetime,
) -> None:
    """Records that the reader gets these words. Without an account it is an operator.

    The reader's own words are not recorded. Call it in the transaction that reads the words.
    Accounts and sessions may be erased meanwhile: nothing is recorded for an erased account, and
    an erased reader or session is left out of the row.
    """
    read = sorted({(one.session_id, one.account_id) for one in words})
    await db.execute(
        """with account as (
             select id from accounts
             where tenant_id = $1 and (id = $2 or id = any($7::uuid[])) order by id for key share
           ), session as (
             select id from sessions
             where tenant_id = $1 and id = any($6::uuid[]) order by id for key share
           )
           insert into access_log
             (tenant_id, reader_account_id, reader_role, route, at, session_id, account_id)
           select $1, r.id, $3, $4, $5, s.id, a.id
           from unnest($6::uuid[], $7::uuid[]) as w (session_id, account_id)
           join account a on a.id = w.account_id
           left join session s on s.id = w.session_id
           left join account r on r.id = $2
           where w.account_id is distinct from $2
             and not exists (
               select from access_log l
               where l.tenant_id = $1 and l.account_id = w.account_id and l.at = $5
                 and l.session_id = w.session_id and l.route = $4
                 and l.reader_account_id is not distinct from $2)""",
        tenant_id,
        None if reader is None else reader.id,
        "operator" if reader is None else reader.role,
        route,
        now.replace(second=0, microsecond=0),
        [session_id for session_id, _ in read],
        [account_id for _, account_id in read],
    )


async def delete_old_reads(db: Connection, tenant_id: UUID, before: datetime, limit: int) -> int:
    status = await db.execute(
        """delete from access_log where (tenant_id, id) in (
             select tenant_id, id from access_log where tenant_id = $1 and at < $2 limit $3)""",
        tenant_id,
        before,
        limit,
    )
    return int(status.split()[-1])


async def list_reads(
    db: Connection, tenant_id: UUID, account_id: UUID, limit: int
) -> list[AccessEntry]:
    """Who has read the account's words, newest first."""
    rows = await db.fetch(
        """select l.at, l.reader_role, a.name as reader_name, l.route, l.session_id,
                  s.started_at as session_started_at, m.title as module_title
           from access_log l
           left join accounts a on a.tenant_id = l.tenant_id and a.id = l.reader_account_id
           left join sessions s on s.tenant_id = l.tenant_id and s.id = l.session_id
           left join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           left join modules m on m.tenant_id = r.tenant_id and m.id = r.module_id
           where l.tenant_id = $1 and l.account_id = $2
           order by l.at desc, l.id limit $3""",
        tenant_id,
        account_id,
        limit,
    )
    return [AccessEntry(**row) for row in rows]
