"""Piper as a user of livekit-agents would run it: in a thread of the job, sentence by sentence."""

import asyncio
from pathlib import Path
from typing import Any, Self

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, tts, utils


class PiperInJob(tts.TTS[str]):
    def __init__(self, voice: Any) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=voice.config.sample_rate,
            num_channels=1,
        )
        self.voice = voice

    @classmethod
    def load(cls, path: str) -> Self:
        # imported only here: a worker with eSpeak needs no Piper
        from piper import PiperVoice

        return cls(PiperVoice.load(Path(path)))

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> "PiperSpeech":
        return PiperSpeech(self, text, conn_options)


class PiperSpeech(tts.ChunkedStream):
    def __init__(self, piper: PiperInJob, text: str, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=piper, input_text=text, conn_options=conn_options)
        self._piper = piper

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._piper.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
        )
        sentences = self._piper.voice.synthesize(self.input_text)
        while chunk := await asyncio.to_thread(next, sentences, None):
            output_emitter.push(chunk.audio_int16_bytes)
        output_emitter.flush()
