"""The worker: takes dispatches of `bodh-agent`, one job process per room. Only wires."""

import asyncio
import contextlib
import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from livekit import rtc
from livekit.agents import (
    AgentServer,
    AgentSession,
    AutoSubscribe,
    ConversationItemAddedEvent,
    JobContext,
    JobProcess,
    JobRequest,
    TurnHandlingOptions,
)
from livekit.agents.voice import room_io
from livekit.agents.voice.transcription import TranscriptSynchronizer

import db
import protocol
from agent.classroom import Classroom
from agent.hearing import Hearing
from agent.journal import Journal, Place
from agent.models import build_llm, build_models
from agent.plugins.inline_vad import InlineVAD
from agent.room_tutor import RoomTutor
from agent.spool import Spool
from db.rooms import find_room_by_id
from db.sessions import beat, end_session, find_session
from settings import Settings, load_settings
from speech.client import SpeechClient, SpeechError

BEAT_EVERY_S = 0.5
READY_WITHIN_S = 30.0
PLACE_TRIES, PLACE_PAUSE_S = 30, 0.1
GOODBYE_S = 4.0  # the longest a worker that ends waits for its goodbye line
DRAIN_FILE = "BODH_DRAIN_FILE"  # environment name: a file with the time by which jobs must be gone
MAX_BITRATE = 64_000  # halves the encoder's CPU; nothing of it is heard

logger = logging.getLogger("bodh.agent")


class Worker(AgentServer):
    """An AgentServer whose jobs learn that it drains, so that they say goodbye."""

    async def drain(self, timeout: int | None = None) -> None:  # type: ignore[override]  # noqa: ASYNC109
        seconds = self._drain_timeout if timeout is None else timeout
        write_deadline(time.time() + seconds)
        await super().drain(timeout=seconds)


def load(server: AgentServer) -> float:
    """Share of the rooms this worker takes; the machine's CPU says nothing about that."""
    return min(1.0, len(server.active_jobs) / load_settings().agent_max_jobs)


def prewarm(process: JobProcess) -> None:
    """Runs once in every job process before it has a room."""
    process.userdata["settings"] = load_settings()


async def answer_request(request: JobRequest) -> None:
    """Takes the dispatches of our own server; each has an identity of its own."""
    dispatch = protocol.parse_dispatch(request.job.metadata)
    if dispatch is None:
        logger.warning("a dispatch that is not ours was refused", extra={"job": request.id})
        await request.reject()
        return
    await request.accept(
        name="Bodh", identity=protocol.agent_identity(dispatch.session_id, dispatch.epoch)
    )


async def teach(ctx: JobContext) -> None:
    """One room, from dispatch to its end."""
    settings: Settings = ctx.proc.userdata["settings"]
    dispatch = protocol.parse_dispatch(ctx.job.metadata)
    if dispatch is None:
        raise protocol.ProtocolError("a dispatch that is not ours")  # answer_request refuses it
    ctx.log_context_fields = {"session": str(dispatch.session_id), "epoch": dispatch.epoch}
    async with contextlib.AsyncExitStack() as stack:
        pool = await db.create_pool(settings.app_dsn, max_size=3)
        stack.push_async_callback(pool.close)
        spool = Spool(settings.spool_path)
        stack.push_async_callback(spool.close)
        engine = SpeechClient(settings.speech_address)
        stack.push_async_callback(engine.aclose)
        place = await _place(pool, dispatch)
        await _Job(ctx, settings, pool, spool, engine, place).run()


async def _place(pool: db.Pool, dispatch: protocol.DispatchMetadata) -> Place:
    """The rows behind a dispatch; its transaction may commit a moment after it was sent."""
    for _ in range(PLACE_TRIES):
        async with db.tenant_tx(pool, dispatch.tenant_id) as conn:
            room = await find_room_by_id(conn, dispatch.tenant_id, dispatch.room_id)
            session = await find_session(conn, dispatch.tenant_id, dispatch.session_id)
        if room is not None and session is not None and session.agent_epoch >= dispatch.epoch:
            return Place(dispatch.tenant_id, room, session, dispatch.epoch)
        await asyncio.sleep(PLACE_PAUSE_S)
    raise db.NotFound("the room or session of this dispatch")


class _Job:
    """One room's lifetime: connect, teach, leave."""

    def __init__(
        self,
        ctx: JobContext,
        settings: Settings,
        pool: db.Pool,
        spool: Spool,
        engine: SpeechClient,
        place: Place,
    ) -> None:
        self._ctx = ctx
        self._settings = settings
        self._pool = pool
        self._engine = engine
        self._place = place
        self._gone = asyncio.Event()
        self._reason = ""
        detector = InlineVAD()
        models = build_models(settings, engine, detector)
        self._models = models
        self._hearing = Hearing(ctx.room)
        journal = Journal(spool, place)
        self._classroom = Classroom(
            settings,
            place,
            room=ctx.room,
            pool=pool,
            journal=journal,
            livekit=ctx.api,
            set_rate=models.set_rate,
        )
        language_model, name = build_llm(settings, self._classroom.desk)
        self._names = {**models.names, "llm": name}
        self._session: AgentSession[None] = AgentSession(
            stt=models.stt,
            vad=detector,
            llm=language_model,
            tts=models.tts,
            turn_handling=TurnHandlingOptions(
                turn_detection="vad",
                interruption={"mode": "vad", "false_interruption_timeout": 5.0},
                preemptive_generation={"enabled": False},
            ),
            aec_warmup_duration=None,
            user_away_timeout=None,
        )
        self._session.on("conversation_item_added", log_latency)
        self._tutor = RoomTutor(self._classroom, journal, self._hearing)
        self._classroom.attach(self._tutor, self._session)

    async def run(self) -> None:
        ctx = self._ctx
        ctx.room.on("disconnected", self._on_disconnected)
        await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        beats = asyncio.create_task(self._beat())
        try:
            await self._start_session()
            await self._teach_until_gone()
        finally:
            beats.cancel()
            await self._hearing.close()
            await self._session.aclose()
            await self._classroom.tutor_captions.drained()
            await self._end_session()

    async def _start_session(self) -> None:
        ctx = self._ctx
        self._session.input.audio = self._hearing
        publish = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            audio_encoding={"max_bitrate": MAX_BITRATE},  # type: ignore[arg-type]
        )
        await self._session.start(
            agent=self._tutor,
            room=ctx.room,
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
        names = self._names | await self._recogniser_name()
        await ctx.room.local_participant.set_attributes(
            {protocol.ATTRIBUTE_MODELS: protocol.models_attribute(names)}
        )

    async def _recogniser_name(self) -> dict[str, str]:
        """`test` where the test model listens, so that the page can say so."""
        if self._settings.stt_base_url:
            return {}
        try:
            health = await self._engine.health()
        except SpeechError:
            return {}
        return {"stt": "test" if health.test_model else health.model}

    def _caption_in_time(self) -> None:
        """Captions leave word by word as the sound is played, and stop where it is cut."""
        sound = self._session.output.audio
        if sound is None:
            raise RuntimeError("the session has no voice")
        in_time = TranscriptSynchronizer(
            next_in_chain_audio=sound,
            next_in_chain_text=self._classroom.tutor_captions,
        )
        self._session.output.audio = in_time.audio_output
        self._session.output.transcription = in_time.text_output

    async def _teach_until_gone(self) -> None:
        await asyncio.wait_for(self._session.room_io.wait_for_ready(), READY_WITHIN_S)
        lesson = asyncio.create_task(self._classroom.run())
        draining = asyncio.create_task(self._draining())
        gone = asyncio.create_task(self._gone.wait())
        try:
            await asyncio.wait({lesson, draining, gone}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done() and not gone.done():
                await self._leave_with_goodbye()
            if lesson.done():
                lesson.result()
        finally:
            for task in (lesson, draining, gone):
                task.cancel()
            await asyncio.gather(lesson, draining, gone, return_exceptions=True)

    async def _leave_with_goodbye(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._classroom.say_goodbye(), GOODBYE_S)
        self._ctx.shutdown("the worker drains")

    async def _draining(self) -> None:
        """Returns when this job has to say goodbye, GOODBYE_S before the worker's deadline."""
        while True:  # the worker is another process: there is nothing to wait for but its file
            deadline = read_deadline()
            if deadline is not None and time.time() > deadline - GOODBYE_S:
                return
            await asyncio.sleep(0.2)

    async def _beat(self) -> None:
        """Tells the database that this agent lives; a newer one means to fall silent and leave."""
        place = self._place
        while True:
            try:
                async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                    mine = await beat(
                        conn, place.tenant_id, place.session.id, place.epoch, datetime.now(UTC)
                    )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                mine = True  # speaks on while the database is away
            if not mine:
                self._session.output.set_audio_enabled(False)
                self._ctx.shutdown("a newer agent took over")
                self._gone.set()
                return
            await asyncio.sleep(BEAT_EVERY_S)

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._reason = rtc.DisconnectReason.Name(reason)
        self._gone.set()

    async def _end_session(self) -> None:
        """The server closed the room: the session is over. A lost server does not end it.

        Nor does a closed room that a learner came back to at once: a newer agent serves it then.
        """
        if self._reason not in ("ROOM_CLOSED", "ROOM_DELETED"):
            return
        place, now = self._place, datetime.now(UTC)
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            await end_session(conn, place.tenant_id, place.session.id, now, epoch=place.epoch)


def log_latency(event: ConversationItemAddedEvent) -> None:
    """The delays of a turn, in seconds and without a word of it."""
    metrics = getattr(event.item, "metrics", None) or {}
    delays = {name: value for name, value in metrics.items() if isinstance(value, float)}
    if delays:
        logger.info("turn", extra={"role": getattr(event.item, "role", ""), **delays})


def write_deadline(at: float) -> None:
    """Tells the jobs of this worker by when (epoch seconds) they must be gone."""
    path = Path(os.environ[DRAIN_FILE])
    draft = path.with_suffix(".new")
    draft.write_text(str(at))
    draft.replace(path)


def read_deadline() -> float | None:
    """What `write_deadline` of this job's worker wrote, or None while it does not drain."""
    try:
        return float(Path(os.environ[DRAIN_FILE]).read_text())
    except FileNotFoundError:
        return None


def build_server(settings: Settings) -> AgentServer:
    """The worker of this host, not yet running."""
    os.environ.setdefault(DRAIN_FILE, str(settings.run_dir / f"drain.{os.getpid()}"))
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    Path(os.environ[DRAIN_FILE]).unlink(missing_ok=True)
    # the SDK's own API client in a job reads these
    os.environ["LIVEKIT_URL"] = settings.livekit_internal_url
    os.environ["LIVEKIT_API_KEY"] = settings.livekit_api_key
    os.environ["LIVEKIT_API_SECRET"] = settings.livekit_api_secret.get_secret_value()
    server = Worker(
        ws_url=settings.livekit_internal_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret.get_secret_value(),
        host="127.0.0.1",
        port=settings.agent_port,
        num_idle_processes=settings.agent_idle_processes,
        load_fnc=load,
        load_threshold=0.99,
        setup_fnc=prewarm,
        preload_modules=["agent.worker"],
        job_memory_limit_mb=settings.agent_memory_limit_mb,
        initialize_process_timeout=60,
        shutdown_process_timeout=10,
        drain_timeout=int(settings.drain_timeout.total_seconds()),
    )
    server.rtc_session(teach, agent_name=settings.agent_name, on_request=answer_request)
    return server
