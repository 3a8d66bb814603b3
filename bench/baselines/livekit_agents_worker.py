"""A plain livekit-agents worker to compare with: VAD turns, our models inside the job.

Run by bench/baselines/livekit_agents.py in its own process; reads the course from files.
"""

import asyncio
import os
from pathlib import Path

import numpy as np
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    Agent,
    AgentServer,
    AgentSession,
    APIConnectOptions,
    JobContext,
    LanguageCode,
    cli,
    inference,
    room_io,
    stt,
    utils,
)
from livekit.agents.types import NOT_GIVEN, NotGivenOr

from agent.console import SilentVoice, open_console_desk, record_visit_and_compose_greeting
from agent.models.espeak import EspeakTTS
from agent.offline.tutor import OfflineTutor
from agent.room.latency import Latency
from courses.memory import MemoryLibrary
from speech.engine import DecodeOptions, Engine
from speech.models import read_chosen_model
from speech.wire import RATE

COURSE = Path(__file__).parents[2] / "db" / "sample"

server = AgentServer(
    host="127.0.0.1",
    port=0,
    num_idle_processes=2,
    load_fnc=lambda: 0.0,
    initialize_process_timeout=60,
)


class WholeUtterances(stt.STT[str]):
    """Decodes each utterance with its own model, in a thread of the job."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._engine = engine

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
        heard = await asyncio.to_thread(self._engine.recognise, pcm.tobytes(), DecodeOptions())
        return stt.SpeechEvent(
            stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language=LanguageCode("en"), text=heard.text)],
        )


@server.rtc_session(agent_name="plain-agent")
async def teach(ctx: JobContext) -> None:
    engine = Engine(Path(read_chosen_model("test", Path(os.environ["BODH_HOME"])).path))
    desk = await open_console_desk(MemoryLibrary.from_folder(COURSE), SilentVoice())
    session: AgentSession[None] = AgentSession(
        stt=WholeUtterances(engine),
        vad=inference.VAD(model="silero"),
        llm=OfflineTutor(desk),
        tts=EspeakTTS(),
        turn_handling={"turn_detection": "vad", "interruption": {"mode": "vad"}},
        aec_warmup_duration=None,
    )
    session.on("conversation_item_added", Latency(ctx.room).on_conversation_item)
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
    session.say(await record_visit_and_compose_greeting(desk))


if __name__ == "__main__":
    cli.run_app(server)
