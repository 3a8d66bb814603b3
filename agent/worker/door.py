"""Which dispatches a worker accepts. Each epoch of a session is taken once, by one worker."""

import asyncio
import logging
import sqlite3
from datetime import UTC, datetime

from livekit.agents import JobRequest, utils

import db
import protocol
from agent.durable.spool import write_probe
from agent.job.kinds import job_for_kind
from db.leases import take_dispatch
from settings import Settings
from telemetry import alarm

LOOK_AGAIN_S = 5.0  # between two checks of a spool that cannot be written
PATIENCE_S = 2.0  # the watcher repeats the dispatch if nobody takes it
COMMIT_PAUSE_S = 0.02  # a session's first dispatch may arrive before its row is committed

logger = logging.getLogger("bodh.agent")


class Door:
    """Answers job requests of the media server. Connects to the database at the first one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: db.Pool | None = None
        self._rechecking: asyncio.Task[None] | None = None

    async def answer_request(self, request: JobRequest) -> None:
        """Accepts dispatches of our own server, each under its own identity."""
        dispatch = protocol.parse_dispatch(request.job.metadata)
        if dispatch is None:
            logger.warning("refused a dispatch that is not ours", extra={"job_id": request.id})
            await request.reject()
        elif job_for_kind(dispatch.kind) is None:
            logger.error(
                "dispatch refused: this worker has no job for sessions of this kind",
                extra={"session_id": str(dispatch.session_id), "kind": dispatch.kind},
            )
            await request.reject(terminate=False)  # a newer worker on another host may have one
        elif (
            not await self._check_spool_or_recheck_later(dispatch)
            or (taken := await self._take_dispatch(dispatch)) is None
        ):
            await request.reject(terminate=False)  # a worker on another host may accept it
        elif taken:
            identity = protocol.agent_identity(dispatch.session_id, dispatch.epoch)
            await request.accept(name="Bodh", identity=identity)
        else:
            await request.reject()

    async def _check_spool_or_recheck_later(self, dispatch: protocol.DispatchMetadata) -> bool:
        """Whether the spool is writable: a lesson that cannot be stored must not start."""
        why = await self._check_spool_and_set_alarm()
        if why is None:
            return True
        facts = {"session_id": str(dispatch.session_id), "epoch": dispatch.epoch}
        logger.error("dispatch refused: the spool cannot be written", extra={**facts, "why": why})
        if self._rechecking is None or self._rechecking.done():
            self._rechecking = asyncio.create_task(
                self._recheck_spool_until_writable(), name="spool"
            )
        return False

    async def _check_spool_and_set_alarm(self) -> str | None:
        """Checks the spool and sets its alarm. Returns the kind of error, or None."""
        try:
            await asyncio.to_thread(write_probe, self._settings.spool_path)
        except (OSError, sqlite3.Error) as error:
            alarm("spool_failing", True)
            return type(error).__name__
        alarm("spool_failing", False)
        return None

    async def _recheck_spool_until_writable(self) -> None:
        """Clears the alarm when the spool works again, even if no dispatch comes."""
        while await self._check_spool_and_set_alarm() is not None:  # noqa: ASYNC110 a disk sends no event
            await asyncio.sleep(LOOK_AGAIN_S)

    async def close(self) -> None:
        if self._rechecking is not None:
            await utils.aio.cancel_and_wait(self._rechecking)
        if self._pool is not None:
            self._pool.terminate()

    async def _take_dispatch(self, dispatch: protocol.DispatchMetadata) -> bool | None:
        """Whether this worker is the first to take it; None if the database does not answer."""
        facts = {"session_id": str(dispatch.session_id), "epoch": dispatch.epoch}
        try:
            async with asyncio.timeout(PATIENCE_S):
                taken = await self._take_once_committed(dispatch)
        except db.AWAY as error:
            logger.warning("dispatch refused", extra={**facts, "why": type(error).__name__})
            return None
        if not taken:
            logger.info("dispatch refused: another agent serves the session", extra=facts)
        return taken

    async def _take_once_committed(self, dispatch: protocol.DispatchMetadata) -> bool:
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
