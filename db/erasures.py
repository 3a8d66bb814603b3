"""What was erased, as ids and times. Owns erasures.

The rows outlive what was erased: words that arrive late are refused, each host removes what its
files still hold, and a restored backup is erased again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from db import Connection

Kind = Literal["words", "account", "session"]


@dataclass(frozen=True)
class Erasure:
    """An account, a session, or what an account said in a session until `erased_at`.

    `account_id` is None for a session, `session_id` for an account.
    """

    tenant_id: UUID
    id: UUID
    kind: Kind
    account_id: UUID | None
    session_id: UUID | None
    erased_at: datetime


def new_erasure(
    tenant_id: UUID,
    kind: Kind,
    now: datetime,
    *,
    account_id: UUID | None = None,
    session_id: UUID | None = None,
) -> Erasure:
    return Erasure(tenant_id, uuid4(), kind, account_id, session_id, now)


async def insert_erasure(db: Connection, tenant_id: UUID, erasure: Erasure) -> None:
    await db.execute(
        """insert into erasures (tenant_id, id, kind, account_id, session_id, erased_at)
           values ($1, $2, $3, $4, $5, $6)""",
        tenant_id,
        erasure.id,
        erasure.kind,
        erasure.account_id,
        erasure.session_id,
        erasure.erased_at,
    )


async def list_erasures(db: Connection, tenant_id: UUID, since: datetime) -> list[Erasure]:
    """Those recorded since then, by the database's clock."""
    rows = await db.fetch(
        """select tenant_id, id, kind, account_id, session_id, erased_at from erasures
           where tenant_id = $1 and recorded_at >= $2 order by recorded_at, id""",
        tenant_id,
        since,
    )
    return [Erasure(**row) for row in rows]


async def list_known_erasures(db: Connection, tenant_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    rows = await db.fetch(
        "select id from erasures where tenant_id = $1 and id = any($2)", tenant_id, list(ids)
    )
    return {row["id"] for row in rows}


async def list_erased_ids(db: Connection, tenant_id: UUID, ids: Iterable[UUID | None]) -> set[UUID]:
    rows = await db.fetch(
        """select coalesce(account_id, session_id) as id from erasures
           where tenant_id = $1 and kind <> 'words'
             and (account_id = any($2) or session_id = any($2))""",
        tenant_id,
        list({one for one in ids if one is not None}),
    )
    return {row["id"] for row in rows}


async def lock_against_erasing(db: Connection, tenant_id: UUID, ids: Iterable[UUID | None]) -> None:
    """Blocks the erasing of these accounts and sessions until the transaction ends."""
    for one in sorted({one for one in ids if one is not None}):
        await db.execute(
            "select pg_advisory_xact_lock_shared(hashtextextended('words ' || $1::text, 0))",
            str(one),
        )


async def lock_against_writers(db: Connection, tenant_id: UUID, one: UUID) -> None:
    """Waits until nobody stores words of this account or session, and blocks it until the end."""
    await db.execute(
        "select pg_advisory_xact_lock(hashtextextended('words ' || $1::text, 0))", str(one)
    )
