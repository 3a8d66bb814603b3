"""Alarms of the hosts. Owns /api/notices."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from db import tenant_tx
from db.notices import list_notices
from db.roles import require_permission
from web.camel import CamelModel
from web.dependencies import Caller, Running
from web.error_responses import PROBLEMS

router = APIRouter(prefix="/api", tags=["operations"], responses=PROBLEMS)


class NoticeLine(CamelModel):
    """An alarm of one host. `clearedAt` is null while it is on; `facts` are ids and counts."""

    id: UUID
    host: str
    name: str
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    count: int = Field(
        description="How often it was raised; if again within an hour of clearing, it counts here"
    )
    facts: dict[str, float | int | str | bool | None]


class Notices(CamelModel):
    """Alarms that are on, then cleared ones, newest first."""

    notices: list[NoticeLine]


@router.get("/notices")
async def get_notices(
    running: Running,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Notices:
    """Alarms, for admins: active ones first, then the newest. docs/operations.md explains each.

    Alarms concern hosts, so only admins of the default tenant get any.
    """
    require_permission(caller.account, "read_notices")
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        notices = await list_notices(db, caller.tenant_id, limit)
    return Notices(notices=[NoticeLine.model_validate(notice) for notice in notices])
