"""Health checks. Owns /healthz and /readyz: public, without any detail in the response."""

import asyncio
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from db import acquire
from rooms import check_media
from web.dependencies import Running
from web.error_responses import PROBLEMS

READY_TIMEOUT_S = 5

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: Literal["ok"]


@router.get("/healthz")
async def healthz() -> Health:
    """Succeeds while the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: PROBLEMS[503]})
async def readyz(running: Running) -> Health:
    """Succeeds if Postgres and the media server respond."""
    async with asyncio.timeout(READY_TIMEOUT_S):
        async with acquire(running.pool) as db:
            await db.execute("select 1 from tenants limit 1")
        await check_media(running.lk)
    return Health(status="ok")
