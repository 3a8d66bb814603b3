"""The worker: accepts dispatches of `bodh-agent` and runs one job process per room."""

import asyncio
import contextlib
import logging
import time
from functools import partial

from livekit.agents import AgentServer, JobContext, JobProcess

import db
import protocol
import telemetry
from agent.console import run_livekit_console
from agent.durable.spool import Spool
from agent.job.job import JobParts
from agent.job.kinds import job_for_kind
from agent.job.lease import load_dispatch
from agent.livekit_private import load_certificates
from agent.worker.deadline import read_deadline, write_deadline
from agent.worker.door import Door
from agent.worker.event_loops import use_fast_event_loops
from settings import Settings, prepare_settings
from speech.client import client_for

logger = logging.getLogger("bodh.agent")


class Worker(AgentServer):
    door: Door
    drain_s: int

    async def run(self, *, devmode: bool = False, unregistered: bool = False) -> None:
        if not devmode and not unregistered:  # in those modes a person reads the log
            telemetry.start_logging("agent")
        await super().run(devmode=devmode, unregistered=unregistered)

    async def aclose(self) -> None:
        await super().aclose()
        await self.door.close()

    async def drain(self, timeout: int | None = None) -> None:  # type: ignore[override]  # noqa: ASYNC109
        seconds = self.drain_s if timeout is None else timeout
        write_deadline(time.time() + seconds)
        await super().drain(timeout=seconds)


def share_of_rooms_in_use(server: AgentServer, max_jobs: int) -> float:
    """The share of this worker's rooms in use. LiveKit's default measures the machine's CPU."""
    return min(1.0, len(server.active_jobs) / max_jobs)


def prewarm_job_process(process: JobProcess) -> None:
    use_fast_event_loops()
    load_certificates()
    process.userdata["settings"] = settings = prepare_settings("agent")
    telemetry.start_job(settings)


async def serve_room(ctx: JobContext) -> None:
    """Serves one room until it ends. LiveKit's own console has neither room nor dispatch."""
    settings: Settings = ctx.proc.userdata["settings"]
    if ctx.is_fake_job():
        await run_livekit_console(ctx, settings)
        return
    metadata = protocol.parse_dispatch(ctx.job.metadata)
    if metadata is None:
        raise protocol.ProtocolError("this room was not opened by Bodh: join it through the page")
    ctx.log_context_fields = {"session_id": str(metadata.session_id), "epoch": metadata.epoch}
    async with contextlib.AsyncExitStack() as stack:
        pool = await db.create_pool(settings.app_dsn, max_size=3)
        stack.push_async_callback(pool.close)
        spool = await asyncio.to_thread(Spool, settings.spool_path)
        stack.push_async_callback(spool.close)
        engine = client_for(settings)
        stack.push_async_callback(engine.aclose)
        dispatch = await load_dispatch(pool, metadata)
        run_job = job_for_kind(dispatch.session.kind)
        if run_job is None:
            raise protocol.ProtocolError(f"no agent serves {dispatch.session.kind} sessions")
        await run_job(
            JobParts(
                ctx=ctx,
                settings=settings,
                dispatch=dispatch,
                pool=pool,
                spool=spool,
                engine=engine,
                deadline=read_deadline,
            )
        )


def build_server(settings: Settings) -> AgentServer:
    drain_s = int(settings.drain_timeout.total_seconds())
    server = Worker(
        ws_url=settings.livekit_internal_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret.get_secret_value(),
        host="127.0.0.1",
        port=settings.agent_port,
        num_idle_processes=settings.agent_idle_processes,
        load_fnc=partial(share_of_rooms_in_use, max_jobs=settings.agent_max_jobs),
        load_threshold=0.99,
        setup_fnc=prewarm_job_process,
        preload_modules=["agent.worker.server"],
        job_memory_limit_mb=settings.agent_memory_limit_mb,
        initialize_process_timeout=60,
        shutdown_process_timeout=10,
        drain_timeout=drain_s,
    )
    server.door, server.drain_s = Door(settings), drain_s
    server.rtc_session(
        serve_room, agent_name=settings.agent_name, on_request=server.door.answer_request
    )
    return server
