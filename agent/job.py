"""One room's agent job, from its dispatch to its end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
from livekit import rtc
from livekit.agents import (
    AgentSession,
    AutoSubscribe,
    JobContext,
    TurnHandlingOptions,
)
from livekit.agents.voice import room_io
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.transcription import TranscriptSynchronizer

import db
import protocol
from agent.classroom import Classroom
from agent.earlier import Earlier
from agent.hearing import Hearing
from agent.journal import Dispatched, Journal
from agent.latency import Latency
from agent.models import build_llm, build_models
from agent.plugins.inline_vad import InlineVAD
from agent.room_tutor import RoomTutor
from agent.spool import Spool
from db.event_kinds import AgentLeft
from db.events import append_event
from db.rooms import find_room_by_id
from db.sessions import beat, end_session, find_session
from settings import Settings
from speech.client import SpeechClient, SpeechError
from telemetry import metrics

START_TRIES, START_PAUSE_S = 80, 0.25  # 20 s for a database that is away when a job starts
GOODBYE_S = 6.0  # the longest a worker that ends waits for its goodbye line
LAST_WORDS_S = 8.0  # the longest decode of what was said just before the end
LEAVE_S = 2.0  # from its last word to the end of its process
MAX_BITRATE = 64_000  # halves the encoder's CPU; nothing of it is heard
MAX_STREAM_BYTES = 2 * 1024 * 1024  # 20 s of speech from before the agent came; the SDK takes 5 GB
# a session that its provider's failures closed would stay in the room, deaf and mute
NEVER_CLOSE = 1_000_000_000
DATABASE_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

TURNS = TurnHandlingOptions(
    turn_detection="vad",
    # an interruption is false when no words follow it; recognising may take some seconds
    interruption={"mode": "vad", "false_interruption_timeout": 5.0},
    preemptive_generation={"enabled": False},
)

logger = logging.getLogger("bodh.agent")


async def find_dispatched(pool: db.Pool, dispatch: protocol.DispatchMetadata) -> Dispatched:
    """The rows behind a dispatch; its transaction may commit a moment after it was sent.

    Raises NotFound, or what a database raises that stays away for 20 s.
    """
    tenant_id = dispatch.tenant_id
    for tries_left in reversed(range(START_TRIES)):
        try:
            async with db.tenant_tx(pool, tenant_id) as conn:
                room = await find_room_by_id(conn, tenant_id, dispatch.room_id)
                session = await find_session(conn, tenant_id, dispatch.session_id)
            if room and session and session.agent_epoch >= dispatch.epoch:
                return Dispatched(tenant_id, room, session, dispatch.epoch)
        except DATABASE_AWAY:
            if not tries_left:
                raise
        await asyncio.sleep(START_PAUSE_S)
    raise db.NotFound("the room or session of this dispatch")


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
        place: Dispatched,
        earlier: Earlier | None,
        deadline: Callable[[], float | None],
    ) -> None:
        self._ctx = ctx
        self._settings = settings
        self._pool = pool
        self._engine = engine
        self._place = place
        self._earlier = earlier
        self._deadline = deadline
        self._gone = asyncio.Event()
        self._reason = ""
        self._in_time: TranscriptSynchronizer | None = None
        detector = InlineVAD()
        models = build_models(settings, engine, detector)
        self._hearing = Hearing(ctx.room)
        self._journal = journal = Journal(spool, place)
        self._classroom = Classroom(
            settings,
            place,
            room=ctx.room,
            pool=pool,
            journal=journal,
            livekit=ctx.api,
            set_rate=models.set_rate,
            earlier=earlier,
            serves=self._renew,
        )
        language_model, name = build_llm(settings, self._classroom.desk)
        self._names = {**models.names, "llm": name}
        self._closes = [*models.closes, language_model.aclose]
        self._agent_session: AgentSession[None] = AgentSession(
            stt=models.stt,
            vad=detector,
            llm=language_model,
            tts=models.tts,
            turn_handling=TURNS,
            aec_warmup_duration=None,
            session_close_transcript_timeout=0.0,  # `_hear_out` has waited for the last words
            user_away_timeout=None,
            tts_text_transforms=None,  # `speakable` does it; they hold a full stop back
            conn_options=SessionConnectOptions(max_unrecoverable_errors=NEVER_CLOSE),
        )
        self._latency = Latency(ctx.room)
        self._agent_session.on("conversation_item_added", self._latency.on_item)
        self._agent_session.on("agent_false_interruption", lambda _event: count_false_stop())
        self._agent_session.on("close", lambda _event: self._gone.set())
        self._tutor = RoomTutor(self._classroom, journal, self._hearing)
        self._classroom.speeches.attach(self._agent_session)

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
            for close in self._closes:
                at_end.push_async_callback(close)
            at_end.push_async_callback(self._close_captions)
            at_end.push_async_callback(self._latency.close)
            at_end.push_async_callback(self._agent_session.aclose)
            at_end.push_async_callback(self._hearing.close)
            at_end.push_async_callback(self._hear_out)
            at_end.callback(self._beats.cancel)  # the next agent need not wait for the rest
            lag = asyncio.create_task(metrics.watch_loop())
            at_end.callback(lag.cancel)
            metrics.AGENT_ROOMS.set(1)
            if self._earlier is not None:
                await self._tutor.update_chat_ctx(self._earlier.chat_context())
            await self._start_session()
            await self._teach_until_gone()
        ctx.shutdown("the lesson has ended")

    async def _hear_out(self) -> None:
        """The last words at a hang-up: kept before the session and the spool are closed."""
        self._hearing.end_speech()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tutor.heard_out(), LAST_WORDS_S)

    async def _start_session(self) -> None:
        self._agent_session.input.audio = self._hearing
        publish = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            audio_encoding={"max_bitrate": MAX_BITRATE},  # type: ignore[arg-type]
        )
        await self._agent_session.start(
            agent=self._tutor,
            room=self._ctx.room,
            room_options=room_io.RoomOptions(
                audio_input=False,
                text_input=False,
                text_output=False,
                audio_output=room_io.AudioOutputOptions(track_publish_options=publish),
                close_on_disconnect=False,
            ),
            session_host=False,  # else any participant may read instructions and history
            record=False,
        )
        self._caption_in_time()

    def _caption_in_time(self) -> None:
        """Captions leave word by word as the sound is played, and stop where it is cut."""
        sound = self._agent_session.output.audio
        if sound is None:
            raise RuntimeError("the agent session has no voice")
        self._in_time = TranscriptSynchronizer(
            next_in_chain_audio=sound, next_in_chain_text=self._classroom.tutor_captions
        )
        self._agent_session.output.audio = self._in_time.audio_output
        self._agent_session.output.transcription = self._in_time.text_output

    async def _close_captions(self) -> None:
        if self._in_time is not None:
            await self._in_time.aclose()

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
                await self._log_left()
            if teaching.done():
                teaching.result()
        finally:
            for task in (teaching, draining, gone):
                task.cancel()
            await asyncio.gather(teaching, draining, gone, return_exceptions=True)

    async def _teach(self) -> None:
        await self._agent_session.room_io.wait_for_ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_models())
            tasks.create_task(self._classroom.run())

    async def _tell_models(self) -> None:
        """The attribute `bodh.models`; `test` where the test model listens, for the page to say."""
        names = dict(self._names)
        try:
            if not self._settings.stt_base_url:
                health = await self._engine.health()
                names["stt"] = "test" if health.test_model else health.model
        except SpeechError:
            logger.warning("the speech engine does not answer")
        try:
            await self._ctx.room.local_participant.set_attributes(
                {protocol.ATTRIBUTE_MODELS: protocol.models_attribute(names)}
            )
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("the models were not told")

    async def _until_drained(self) -> None:
        """Returns when this job has to say goodbye, so that it is gone by the worker's deadline."""
        while True:  # the worker is another process: there is nothing to wait for but its file
            deadline = self._deadline()
            if deadline is not None and time.time() > deadline - GOODBYE_S - LEAVE_S:
                return
            await asyncio.sleep(0.2)

    async def _beat(self) -> None:
        """Renews the lease until a newer agent holds it; then falls silent at once and leaves."""
        while await self._renew():  # noqa: ASYNC110 another process decides it
            await asyncio.sleep(self._settings.lease_beat.total_seconds())
        logger.info("a newer agent took over, or the session has ended")
        self._agent_session.output.set_transcription_enabled(False)
        self._agent_session.output.set_audio_enabled(False)
        self._gone.set()

    async def _renew(self) -> bool:
        """Tells the database that this agent lives; False where it is no longer the session's.

        While the database is away it stays what it was: it speaks on.
        """
        place, now = self._place, datetime.now(UTC)
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                return await beat(conn, place.tenant_id, place.session.id, place.epoch, now)
        except Exception as error:  # noqa: BLE001 whatever it is, the lesson goes on
            logger.warning("no beat", extra={"why": type(error).__name__})
            return True

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._reason = rtc.DisconnectReason.Name(reason)
        self._gone.set()

    async def _log_left(self) -> None:
        """The event log tells this agent, which went on purpose, from one that was lost."""
        place, now = self._place, datetime.now(UTC)
        left = AgentLeft(epoch=place.epoch)
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await append_event(
                    conn, place.tenant_id, place.session.id, left, now, key=f"gone:{place.epoch}"
                )
        except DATABASE_AWAY:
            logger.warning("agent.left was not logged: the database does not answer")

    async def _end_session(self) -> None:
        """The server closed the room: the session is over. A lost server does not end it.

        Nor does a closed room that a learner came back to at once: a newer agent serves it then.
        """
        if self._reason not in ("ROOM_CLOSED", "ROOM_DELETED"):
            return
        place, now = self._place, datetime.now(UTC)
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await end_session(conn, place.tenant_id, place.session.id, now, epoch=place.epoch)
        except DATABASE_AWAY:
            logger.warning("the session was not ended: the database does not answer")


def limit_streams(room: rtc.Room) -> None:
    """Refuses what inflates beyond MAX_STREAM_BYTES; `JobContext.connect` has no way to say so."""
    connect = room.connect

    async def limited(url: str, token: str, options: rtc.RoomOptions) -> None:
        limits = rtc.DataStreamOptions(max_payload_byte_length=MAX_STREAM_BYTES)
        await connect(url, token, replace(options, data_stream=limits))

    room.connect = limited  # type: ignore[method-assign,assignment]


def count_false_stop() -> None:
    """The tutor stopped for a sound that was no turn: under load the first thing one hears."""
    metrics.FALSE_INTERRUPTIONS.inc()
