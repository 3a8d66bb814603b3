"""Alarms of the hosts. Owns /api/notices, for admins of the default tenant, the operator's."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from db import tenant_tx
from db.notices import list_notices
from db.roles import require
from web.context import Caller, Running
from web.errors import PROBLEMS
from web.models import NoticeLine, Notices

router = APIRouter(prefix="/api", tags=["operations"], responses=PROBLEMS)


@router.get("/notices")
async def get_notices(
    response: Response,
    running: Running,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Notices:
    """Alarms: those that stand first, then the newest. What each means is in operations.md.

    Admins of other tenants get an empty list: alarms are about hosts.
    """
    require(caller.account, "read_notices")
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        notices = await list_notices(db, caller.tenant_id, limit)
    response.headers["Cache-Control"] = "no-store"
    return Notices(
        notices=[NoticeLine.model_validate(one, from_attributes=True) for one in notices]
    )
