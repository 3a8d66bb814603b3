"""What all agent jobs have in common: join the room, hold the lease, leave in time."""

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, utils

import db
from agent.durable.journal import Journal
from agent.durable.spool import Spool
from agent.job.lease import Lease
from agent.livekit_private import ignore_unknown_streams_quietly, limit_stream_size
from agent.room.dispatch import Dispatch
from agent.room.learner import Roster
from settings import Settings
from speech.client import SpeechClient
from telemetry import metrics

GOODBYE_S = 6.0  # limit for the last line before the worker stops
LEAVE_S = 2.0  # from the end of the goodbye to the end of the process
DEADLINE_POLL_S = 0.2
# 20 s of speech, recorded by the page before the agent joined; the SDK's own limit is 5 GB
MAX_STREAM_BYTES = 2 * 1024 * 1024

logger = logging.getLogger("bodh.agent")


@dataclass(frozen=True)
class JobParts:
    """What a job is built from. The caller closes `pool`, `spool` and `engine` after the job."""

    ctx: JobContext
    settings: Settings
    dispatch: Dispatch
    pool: db.Pool
    spool: Spool
    engine: SpeechClient
    deadline: Callable[[], float | None]  # epoch seconds once the worker drains, else None


class RoomJob(ABC):
    def __init__(self, parts: JobParts) -> None:
        self.room = parts.ctx.room
        self.lease = Lease(parts.pool, parts.dispatch, parts.settings.lease_heartbeat)
        self.journal = Journal(parts.spool, parts.dispatch, Roster())
        self._ctx = parts.ctx
        self._deadline = parts.deadline
        self._over = asyncio.Event()
        self._disconnect_reason = ""

    @abstractmethod
    async def start(self) -> None:
        """Called once, while the agent joins the room. Returns when it has joined."""

    @abstractmethod
    async def serve_room(self) -> None: ...

    @abstractmethod
    async def say_goodbye(self) -> None:
        """Says a last line before the worker stops. Cancelled after GOODBYE_S."""

    @abstractmethod
    def silence_output(self) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """Closes what the subclass opened, even if `start` failed. The journal is still open."""

    def request_end(self) -> None:
        self._over.set()

    async def run(self) -> None:
        """Returns when the room has ended, the worker stops, or a newer agent took over."""
        self.room.on("disconnected", self._on_disconnected)
        ignore_unknown_streams_quietly()
        limit_stream_size(self.room, MAX_STREAM_BYTES)
        async with contextlib.AsyncExitStack() as at_end:
            # before joining, which is slow when many jobs start at once
            heartbeat = asyncio.create_task(self._hold_lease())
            at_end.callback(heartbeat.cancel)
            at_end.push_async_callback(self._end_session_of_closed_room)
            at_end.push_async_callback(self.journal.close)
            at_end.push_async_callback(self.close)
            at_end.callback(heartbeat.cancel)  # so the next agent does not wait for `close`
            loop_lag = asyncio.create_task(metrics.measure_loop_lag())
            at_end.callback(loop_lag.cancel)
            metrics.AGENT_ROOMS.set(1)
            await self._join_and_start()
            await self._serve_until_over(heartbeat)
        self._ctx.shutdown("the lesson has ended")

    async def _join_and_start(self) -> None:
        """Joins the room while the session starts: one waits for the network, one computes."""
        joining = asyncio.create_task(self._ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY))
        try:
            # let it begin to join: the session would join too, but hear everything
            await asyncio.sleep(0)
            await self.start()
            await joining
        finally:
            await utils.aio.cancel_and_wait(joining)

    async def _serve_until_over(self, heartbeat: asyncio.Task[None]) -> None:
        working = asyncio.create_task(self.serve_room())
        draining = asyncio.create_task(self._wait_for_goodbye_time())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({working, draining, over}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done() and not over.done():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.say_goodbye(), GOODBYE_S)
                heartbeat.cancel()  # so the watcher dispatches another agent
                await self.lease.append_agent_left()
            if working.done():
                working.result()
        finally:
            for task in (working, draining, over):
                task.cancel()
            await asyncio.gather(working, draining, over, return_exceptions=True)

    async def _wait_for_goodbye_time(self) -> None:
        """Returns when the goodbye must start for the job to end by the worker's deadline."""
        while True:  # polled: the deadline is a file that the worker's process writes
            deadline = self._deadline()
            if deadline is not None and time.time() > deadline - GOODBYE_S - LEAVE_S:
                return
            await asyncio.sleep(DEADLINE_POLL_S)

    async def _hold_lease(self) -> None:
        """Renews the lease until it is lost, then stops output and leaves."""
        await self.lease.renew_until_lost()
        logger.info("lease lost: a newer agent took over, or the session has ended")
        self.silence_output()
        self.request_end()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._disconnect_reason = rtc.DisconnectReason.Name(reason)
        self.request_end()

    async def _end_session_of_closed_room(self) -> None:
        """Ends the session if the server closed the room. A lost connection does not end it.

        Nothing happens if a newer agent serves the session because a learner has come back.
        """
        if self._disconnect_reason in ("ROOM_CLOSED", "ROOM_DELETED"):
            await self.lease.end_session()
