"""The worker's door: which dispatches it takes. Each epoch of a session is taken once, by one."""

import asyncio
import logging
import sqlite3
from datetime import UTC, datetime

import asyncpg
from livekit.agents import JobRequest

import db
import protocol
from agent.spool import check_spool
from db.leases import take_dispatch
from settings import Settings
from telemetry import alarm

PATIENCE_S = 2.0  # the watcher asks again for what was not taken
COMMIT_PAUSE_S = 0.02  # the first dispatch of a session may come before its commit

logger = logging.getLogger("bodh.agent")


class Door:
    """Answers the requests of the media server; its pool connects at the first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: db.Pool | None = None

    async def answer(self, request: JobRequest) -> None:
        """Takes the dispatches of our own server; each has an identity of its own."""
        dispatch = protocol.parse_dispatch(request.job.metadata)
        if dispatch is None:
            logger.warning("a dispatch that is not ours was refused", extra={"job": request.id})
            await request.reject()
        elif await self._can_keep(dispatch) and await self._take(dispatch):
            identity = protocol.agent_identity(dispatch.session_id, dispatch.epoch)
            await request.accept(name="Bodh", identity=identity)
        else:
            await request.reject()

    async def _can_keep(self, dispatch: protocol.DispatchMetadata) -> bool:
        """Whether the spool takes entries: no lesson begins of which nothing could be kept."""
        try:
            await asyncio.to_thread(check_spool, self._settings.spool_path)
        except (OSError, sqlite3.Error) as error:
            facts = {"session": str(dispatch.session_id), "epoch": dispatch.epoch}
            alarm("spool_failing", True)
            logger.error(
                "dispatch refused: the spool takes nothing",
                extra={**facts, "why": type(error).__name__},
            )
            return False
        alarm("spool_failing", False)
        return True

    async def _take(self, dispatch: protocol.DispatchMetadata) -> bool:
        """Whether this worker is the first. Without the database nobody can tell: then it is not.

        An agent could not begin without it either.
        """
        facts = {"session": str(dispatch.session_id), "epoch": dispatch.epoch}
        try:
            async with asyncio.timeout(PATIENCE_S):
                taken = await self._take_committed(dispatch)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("dispatch refused", extra={**facts, "why": type(error).__name__})
            return False
        if not taken:
            logger.info("dispatch refused: another agent serves the session", extra=facts)
        return taken

    async def _take_committed(self, dispatch: protocol.DispatchMetadata) -> bool:
        if self._pool is None:
            self._pool = await db.create_pool(self._settings.app_dsn, max_size=2)
        while True:
            try:
                async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
                    return await take_dispatch(
                        conn,
                        dispatch.tenant_id,
                        dispatch.session_id,
                        dispatch.epoch,
                        datetime.now(UTC),
                    )
            except db.NotFound:
                await asyncio.sleep(COMMIT_PAUSE_S)
