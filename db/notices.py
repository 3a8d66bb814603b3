"""Notices: the alarms of all hosts, kept for the operator. Owns admin_notices.

They belong to the default tenant, the operator's: alarms are about hosts, not learners.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db import Connection

AGAIN = timedelta(hours=1)  # an alarm that returns within this continues its notice
ABANDONED = timedelta(minutes=10)  # after this much silence, a host and its alarms count as ended
KEPT = timedelta(days=90)  # after the end of an alarm


@dataclass(frozen=True)
class Notice:
    id: UUID
    host: str
    name: str
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    count: int
    facts: dict[str, Any]


async def upsert_notice(
    db: Connection,
    tenant_id: UUID,
    *,
    host: str,
    name: str,
    since: datetime,
    now: datetime,
    facts: dict[str, Any],
) -> None:
    """Records an active alarm. An alarm that returns within AGAIN continues its notice."""
    updated = await db.execute(
        """update admin_notices set last_at = $4, cleared_at = null, facts = $5,
                  count = count + (cleared_at is not null)::int
           where tenant_id = $1 and host = $2 and name = $3
             and (cleared_at is null or cleared_at > $6)""",
        tenant_id,
        host,
        name,
        now,
        json.dumps(facts),
        now - AGAIN,
    )
    if updated == "UPDATE 0":
        await db.execute(
            """insert into admin_notices (tenant_id, host, name, first_at, last_at, facts)
               values ($1, $2, $3, $4, $5, $6)""",
            tenant_id,
            host,
            name,
            since,
            now,
            json.dumps(facts),
        )


async def clear_notices(
    db: Connection, tenant_id: UUID, *, host: str, active: Iterable[str], now: datetime
) -> None:
    """Clears this host's alarms except `active`, and those of hosts that no longer report."""
    await db.execute(
        """update admin_notices set cleared_at = $4
           where tenant_id = $1 and cleared_at is null
             and ((host = $2 and name <> all($3::text[])) or last_at < $5)""",
        tenant_id,
        host,
        list(active),
        now,
        now - ABANDONED,
    )


async def delete_old_notices(db: Connection, tenant_id: UUID, now: datetime) -> None:
    await db.execute(
        "delete from admin_notices where tenant_id = $1 and cleared_at < $2", tenant_id, now - KEPT
    )


async def list_notices(db: Connection, tenant_id: UUID, limit: int) -> list[Notice]:
    rows = await db.fetch(
        """select id, host, name, first_at, last_at, cleared_at, count, facts from admin_notices
           where tenant_id = $1 order by cleared_at is not null, last_at desc, id limit $2""",
        tenant_id,
        limit,
    )
    return [Notice(**{**row, "facts": json.loads(row["facts"])}) for row in rows]
