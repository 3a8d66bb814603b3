"""The worker's door: which dispatches it takes. Each epoch of a session is taken once, by one."""

import asyncio
import logging
import sqlite3
from datetime import UTC, datetime

import asyncpg
from livekit.agents import JobRequest, utils

import db
import protocol
from agent.durable.spool import check_spool
from agent.job.kinds import job_for
from db.leases import take_dispatch
from settings import Settings
from telemetry import alarm

LOOK_AGAIN_S = 5.0  # at a spool that takes nothing
PATIENCE_S = 2.0  # the watcher asks again for what was not taken
COMMIT_PAUSE_S = 0.02  # the first dispatch of a session may come before its commit

logger = logging.getLogger("bodh.agent")


class Door:
    """Answers the requests of the media server; its pool connects at the first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: db.Pool | None = None
        self._looking: asyncio.Task[None] | None = None

    async def answer(self, request: JobRequest) -> None:
        """Takes the dispatches of our own server; each has an identity of its own."""
        dispatch = protocol.parse_dispatch(request.job.metadata)
        if dispatch is None:
            logger.warning("a dispatch that is not ours was refused", extra={"job": request.id})
            await request.reject()
        elif job_for(dispatch.kind) is None:
            logger.error(
                "dispatch refused: this worker has no job for sessions of this kind",
                extra={"session": str(dispatch.session_id), "kind": dispatch.kind},
            )
            await request.reject(terminate=False)  # a newer worker on another host may have one
        elif not await self._can_keep(dispatch):
            await request.reject(terminate=False)  # another host's worker may keep it
        elif (taken := await self._take(dispatch)) is None:
            await request.reject(terminate=False)  # another host's worker may reach the database
        elif taken:
            identity = protocol.agent_identity(dispatch.session_id, dispatch.epoch)
            await request.accept(name="Bodh", identity=identity)
        else:
            await request.reject()

    async def _can_keep(self, dispatch: protocol.DispatchMetadata) -> bool:
        """Whether the spool takes entries: no lesson begins of which nothing could be kept."""
        why = await self._look_at_spool()
        if why is None:
            return True
        facts = {"session": str(dispatch.session_id), "epoch": dispatch.epoch}
        logger.error("dispatch refused: the spool takes nothing", extra={**facts, "why": why})
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again(), name="spool")
        return False

    async def _look_at_spool(self) -> str | None:
        """The kind of the error that it answers with, if it does; the alarm follows."""
        try:
            await asyncio.to_thread(check_spool, self._settings.spool_path)
        except (OSError, sqlite3.Error) as error:
            alarm("spool_failing", True)
            return type(error).__name__
        alarm("spool_failing", False)
        return None

    async def _look_again(self) -> None:
        """The alarm ends with its cause, also where no dispatch comes any more."""
        while await self._look_at_spool() is not None:  # noqa: ASYNC110 nothing tells of a disk
            await asyncio.sleep(LOOK_AGAIN_S)

    async def close(self) -> None:
        if self._looking is not None:
            await utils.aio.cancel_and_wait(self._looking)
        if self._pool is not None:
            self._pool.terminate()

    async def _take(self, dispatch: protocol.DispatchMetadata) -> bool | None:
        """Whether this worker is the first; None where the database does not tell."""
        facts = {"session": str(dispatch.session_id), "epoch": dispatch.epoch}
        try:
            async with asyncio.timeout(PATIENCE_S):
                taken = await self._take_committed(dispatch)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("dispatch refused", extra={**facts, "why": type(error).__name__})
            return None
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
