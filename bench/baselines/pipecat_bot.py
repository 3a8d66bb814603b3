"""A pipecat bot with its defaults, behind a WebSocket that carries nothing but PCM.

Run as `python pipecat_bot.py PORT WHISPER_FOLDER PIPER_VOICE LLM_URL` by an environment that has
pipecat (bench/baselines/pipecat.py): Silero VAD, its smart-turn model, faster-whisper and Piper in
the process. Sound is int16 mono at 16 kHz in both directions.
"""

import asyncio
import sys
from pathlib import Path

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.server import WebsocketServerParams, WebsocketServerTransport
from pipecat.workers.runner import WorkerRunner

RATE = 16_000


class PcmSerializer(FrameSerializer):  # type: ignore[misc] # its package is not installed here
    async def serialize(self, frame: Frame) -> bytes | None:
        return frame.audio if isinstance(frame, OutputAudioRawFrame) else None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        if isinstance(data, str):
            return None
        return InputAudioRawFrame(audio=data, sample_rate=RATE, num_channels=1)


async def serve_bot(port: int, whisper_folder: str, piper_voice: Path, llm_url: str) -> None:
    transport = WebsocketServerTransport(
        WebsocketServerParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=PcmSerializer()
        ),
        host="127.0.0.1",
        port=port,
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    parts = [
        transport.input(),
        WhisperSTTService(
            compute_type="int8", settings=WhisperSTTService.Settings(model=whisper_folder)
        ),
        user,
        OpenAILLMService(
            api_key="none",
            base_url=llm_url,
            settings=OpenAILLMService.Settings(model="loopback"),
        ),
        PiperTTSService(
            download_dir=piper_voice.parent,
            settings=PiperTTSService.Settings(voice=piper_voice.stem),
        ),
        transport.output(),
        assistant,
    ]
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    worker = PipelineWorker(Pipeline(parts), params=params, idle_timeout_secs=None)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(serve_bot(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
