"""Health. Owns /healthz and /readyz, open to all and without a fact in the answer."""

import asyncio

from fastapi import APIRouter

from rooms import check_media
from web.context import Running
from web.errors import PROBLEMS
from web.models import Health

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: PROBLEMS[503]})
async def readyz(running: Running) -> Health:
    """The process reaches Postgres and the media server."""
    async with asyncio.timeout(5):
        async with running.pool.acquire() as db:
            await db.execute("select 1 from tenants limit 1")
        await check_media(running.lk)
    return Health(status="ok")
