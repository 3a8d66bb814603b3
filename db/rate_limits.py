"""Rate limits. Owns request_rates."""

from datetime import datetime, timedelta
from uuid import UUID

from db import Connection

KEPT = timedelta(hours=1)


async def count_request(
    db: Connection, tenant_id: UUID, account_id: UUID, name: str, limit: int, now: datetime
) -> bool:
    """Counts a request in the minute of `now`. Returns whether it is within the limit.

    Refuse after the transaction has committed, or the request is not counted.
    """
    minute = now.replace(second=0, microsecond=0)
    hits: int = await db.fetchval(
        """insert into request_rates (tenant_id, account_id, name, minute, hits)
           values ($1, $2, $3, $4, 1)
           on conflict (tenant_id, account_id, name, minute)
             do update set hits = request_rates.hits + 1
           returning hits""",
        tenant_id,
        account_id,
        name,
        minute,
    )
    if hits == 1:
        await db.execute(
            """delete from request_rates
               where tenant_id = $1 and account_id = $2 and name = $3 and minute < $4""",
            tenant_id,
            account_id,
            name,
            minute - KEPT,
        )
    return hits <= limit
