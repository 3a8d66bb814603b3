"""A plain livekit-agents worker: VAD turns, and faster-whisper and the voice inside the job.

Everything else has the defaults of livekit-agents and faster-whisper. It runs in its own process,
started by bench/baselines/livekit_agents.py.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    Agent,
    AgentServer,
    AgentSession,
    APIConnectOptions,
    ConversationItemAddedEvent,
    JobContext,
    JobProcess,
    LanguageCode,
    cli,
    inference,
    llm,
    room_io,
    stt,
    tts,
    utils,
)
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.plugins import openai

from agent.models.espeak import EspeakTTS
from bench.baselines.piper_in_job import PiperInJob
from bench.baselines.plain_options import AGENT_NAME, PlainOptions
from bench.baselines.plain_whisper import load_whisper, transcribe
from speech.wire import RATE

logger = logging.getLogger("bench.plain")

COURSE = Path(__file__).parents[2] / "db" / "sample"
GREETING = "Hello. Welcome to your lesson about machine learning. What would you like to know?"


class WholeUtterances(stt.STT[str]):
    """Decodes each utterance in a thread of the job."""

    def __init__(self, model: WhisperModel) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._model = model

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.SpeechEvent:
        frame = rtc.combine_audio_frames(buffer)
        pcm = np.frombuffer(frame.data, np.int16)
        if frame.sample_rate != RATE:
            resampler = rtc.AudioResampler(frame.sample_rate, RATE)
            frames = [*resampler.push(frame), *resampler.flush()]
            pcm = np.concatenate([np.frombuffer(one.data, np.int16) for one in frames])
        text = await asyncio.to_thread(transcribe, self._model, pcm)
        return stt.SpeechEvent(
            stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language=LanguageCode("en"), text=text)],
        )


def load_models(process: JobProcess) -> None:
    options = PlainOptions.from_environment()
    process.userdata["vad"] = inference.VAD(model="silero")
    process.userdata["stt"] = load_recogniser(options)
    process.userdata["tts"] = load_voice(options)


def load_recogniser(options: PlainOptions) -> stt.STT[Any]:
    if options.stt_url:
        return openai.STT(
            model="loopback", base_url=options.stt_url, api_key="none", use_realtime=False
        )
    return WholeUtterances(load_whisper(options.whisper_folder))


def load_voice(options: PlainOptions) -> tts.TTS[Any]:
    if options.tts_url:
        return openai.TTS(
            model="loopback", base_url=options.tts_url, api_key="none", response_format="pcm"
        )
    return PiperInJob.load(options.piper_voice) if options.piper_voice else EspeakTTS()


server = AgentServer(
    host="127.0.0.1",
    port=0,
    setup_fnc=load_models,
    num_idle_processes=2,
    load_fnc=lambda: 0.0,
    initialize_process_timeout=60,
)


@server.rtc_session(agent_name=AGENT_NAME)
async def teach(ctx: JobContext) -> None:
    models = ctx.proc.userdata
    answerer, greeting = await choose_answerer(PlainOptions.from_environment())
    session: AgentSession[None] = AgentSession(
        stt=models["stt"],
        vad=models["vad"],
        llm=answerer,
        tts=models["tts"],
        turn_handling={"turn_detection": "vad", "interruption": {"mode": "vad"}},
        aec_warmup_duration=None,
    )
    session.on("conversation_item_added", log_turn)
    await ctx.connect()
    await session.start(
        agent=Agent(instructions="You are a tutor."),
        room=ctx.room,
        room_options=room_io.RoomOptions(
            audio_input=room_io.AudioInputOptions(sample_rate=RATE, auto_gain_control=False)
        ),
        session_host=False,
        record=False,
    )
    await session.room_io.wait_for_ready()
    session.say(greeting)


def log_turn(event: ConversationItemAddedEvent) -> None:
    """Logs the parts of a turn's delay under the names that Bodh's own agent uses."""
    measured = getattr(event.item, "metrics", None) or {}
    logger.info("turn", extra={k: v for k, v in measured.items() if isinstance(v, float)})


async def choose_answerer(options: PlainOptions) -> tuple[llm.LLM[Any], str]:
    """Returns the language model and the greeting."""
    if options.llm_url:
        return openai.LLM(model="loopback", base_url=options.llm_url, api_key="none"), GREETING
    # imported only here: it would count as memory of plain livekit-agents
    from agent.console import SilentVoice, open_console_desk, record_visit_and_compose_greeting
    from agent.offline.tutor import OfflineTutor
    from courses.memory import MemoryLibrary

    desk = await open_console_desk(MemoryLibrary.from_folder(COURSE), SilentVoice())
    return OfflineTutor(desk), await record_visit_and_compose_greeting(desk)


if __name__ == "__main__":
    cli.run_app(server)
