"""One room's agent job, from its dispatch to its end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext

import db
from agent.durable.earlier import Earlier
from agent.durable.journal import Journal
from agent.durable.spool import Spool
from agent.job.agent_session import RoomAgentSession
from agent.job.lease import Lease
from agent.models.choice import build_models
from agent.models.inline_vad import InlineVAD
from agent.room.dispatch import Dispatch
from agent.room.voice import Hearing
from agent.talk.classroom import Classroom
from agent.talk.room_tutor import RoomTutor
from settings import Settings
from speech.client import SpeechClient
from telemetry import metrics

GOODBYE_S = 6.0  # the longest a worker that ends waits for its goodbye line
LAST_WORDS_S = 8.0  # the longest decode of what was said just before the end
LEAVE_S = 2.0  # from its last word to the end of its process
MAX_STREAM_BYTES = 2 * 1024 * 1024  # 20 s of speech from before the agent came; the SDK takes 5 GB

logger = logging.getLogger("bodh.agent")


class AgentJob:
    """Connects, teaches, leaves."""

    def __init__(
        self,
        ctx: JobContext,
        settings: Settings,
        *,
        pool: db.Pool,
        spool: Spool,
        engine: SpeechClient,
        place: Dispatch,
        earlier: Earlier | None,
        deadline: Callable[[], float | None],
    ) -> None:
        self._ctx = ctx
        self._engine = engine
        self._earlier = earlier
        self._deadline = deadline
        self._gone = asyncio.Event()
        self._reason = ""
        self._lease = Lease(pool, place, settings.lease_beat)
        detector = InlineVAD()
        models = build_models(settings, engine, detector)
        self._hearing = Hearing(ctx.room)
        self._journal = Journal(spool, place)
        self._classroom = classroom = Classroom(
            settings,
            place,
            room=ctx.room,
            pool=pool,
            journal=self._journal,
            livekit=ctx.api,
            set_rate=models.set_rate,
            earlier=earlier,
            serves=self._lease.renew,
        )
        self._agent_session = RoomAgentSession(settings, ctx.room, models, detector, classroom.desk)
        self._agent_session.inner.on("close", lambda _event: self._gone.set())
        self._tutor = RoomTutor(classroom, self._journal, self._hearing)
        classroom.speeches.attach(self._agent_session.inner)

    async def run(self) -> None:
        """Returns when the room has ended or the worker does."""
        ctx = self._ctx
        ctx.room.on("disconnected", self._on_disconnected)
        limit_streams(ctx.room)
        async with contextlib.AsyncExitStack() as at_end:
            # before it is in the room, which takes long where many start at once
            self._beats = asyncio.create_task(self._beat())
            at_end.callback(self._beats.cancel)
            await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
            at_end.push_async_callback(self._end_session)
            at_end.push_async_callback(self._journal.notes.close)
            at_end.push_async_callback(self._classroom.captions.close)
            at_end.push_async_callback(self._classroom.tutor_captions.drained)
            at_end.push_async_callback(self._agent_session.aclose)
            at_end.push_async_callback(self._hearing.close)
            at_end.push_async_callback(self._hear_out)
            at_end.callback(self._beats.cancel)  # the next agent need not wait for the rest
            lag = asyncio.create_task(metrics.watch_loop())
            at_end.callback(lag.cancel)
            metrics.AGENT_ROOMS.set(1)
            if self._earlier is not None:
                await self._tutor.update_chat_ctx(self._earlier.chat_context())
            captions = self._classroom.tutor_captions
            await self._agent_session.start(self._tutor, self._hearing, captions)
            await self._teach_until_gone()
        ctx.shutdown("the lesson has ended")

    async def _hear_out(self) -> None:
        """The last words at a hang-up: kept before the session and the spool are closed."""
        self._hearing.end_speech()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tutor.heard_out(), LAST_WORDS_S)

    async def _teach_until_gone(self) -> None:
        """Teaches from the first learner on; before one comes there is nothing to do but wait."""
        teaching = asyncio.create_task(self._teach())
        draining = asyncio.create_task(self._until_drained())
        gone = asyncio.create_task(self._gone.wait())
        try:
            await asyncio.wait({teaching, draining, gone}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done() and not gone.done():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._classroom.say_goodbye(), GOODBYE_S)
                self._beats.cancel()  # from here on the watcher may ask for another agent
                await self._lease.log_left()
            if teaching.done():
                teaching.result()
        finally:
            for task in (teaching, draining, gone):
                task.cancel()
            await asyncio.gather(teaching, draining, gone, return_exceptions=True)

    async def _teach(self) -> None:
        await self._agent_session.inner.room_io.wait_for_ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._agent_session.tell_models(self._engine))
            tasks.create_task(self._classroom.run())

    async def _until_drained(self) -> None:
        """Returns when this job has to say goodbye, so that it is gone by the worker's deadline."""
        while True:  # the worker is another process: there is nothing to wait for but its file
            deadline = self._deadline()
            if deadline is not None and time.time() > deadline - GOODBYE_S - LEAVE_S:
                return
            await asyncio.sleep(0.2)

    async def _beat(self) -> None:
        """Renews the lease until a newer agent holds it; then falls silent at once and leaves."""
        await self._lease.hold()
        logger.info("a newer agent took over, or the session has ended")
        self._agent_session.silence()
        self._gone.set()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._reason = rtc.DisconnectReason.Name(reason)
        self._gone.set()

    async def _end_session(self) -> None:
        """The server closed the room: the session is over. A lost server does not end it.

        Nor does a closed room that a learner came back to at once: a newer agent serves it then.
        """
        if self._reason in ("ROOM_CLOSED", "ROOM_DELETED"):
            await self._lease.end_session()


def limit_streams(room: rtc.Room) -> None:
    """Refuses what inflates beyond MAX_STREAM_BYTES; `JobContext.connect` has no way to say so."""
    connect = room.connect

    async def limited(url: str, token: str, options: rtc.RoomOptions) -> None:
        limits = rtc.DataStreamOptions(max_payload_byte_length=MAX_STREAM_BYTES)
        await connect(url, token, replace(options, data_stream=limits))

    room.connect = limited  # type: ignore[method-assign,assignment]
