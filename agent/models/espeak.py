"""The local voice: eSpeak NG in a helper process, started on demand and replaced if it dies."""

import asyncio
import contextlib
import itertools
import json
import logging
import struct
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

from livekit.agents import APIConnectionError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from agent.models.espeak_helper import AUDIO, FAILED, FRAME_HEAD, READY

logger = logging.getLogger("bodh.voice")

HELPER_PATH = Path(__file__).with_name("espeak_helper.py")
RATE = 22_050
SILENT_PCM = bytes(2 * RATE // 10)  # 100 ms, for a text without letters or digits
START_TIMEOUT_S = 10.0
CHUNK_TIMEOUT_S = 5.0
SLOWEST_WPM, FASTEST_WPM = 80, 400  # eSpeak NG distorts outside this range
HelperFrame = tuple[bytes, bytes]  # kind, body


class VoiceError(Exception):
    pass


class EspeakProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise VoiceError("the eSpeak NG helper has no pipes")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._ids = itertools.count(1)
        self._queues: dict[int, asyncio.Queue[HelperFrame]] = {}
        self._listener: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls) -> "EspeakProcess":
        """Raises VoiceError if no eSpeak NG library can be loaded."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(HELPER_PATH),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        helper = cls(process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                kind, _, body = await helper._read_frame()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await helper.aclose()
            raise VoiceError("the eSpeak NG helper did not start") from error
        if kind != READY or int(body) != RATE:
            await helper.aclose()
            raise VoiceError(body.decode(errors="replace"))
        helper._listener = asyncio.create_task(helper._queue_frames(), name="espeak helper")
        return helper

    @property
    def alive(self) -> bool:
        return self._listener is not None and not self._listener.done()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def synthesise(
        self, text: str, *, voice: str, rate_wpm: int
    ) -> AsyncGenerator[bytes, None]:
        """Yields PCM (int16 mono, 22,050 Hz) as it is produced; leaving the loop cancels the rest.

        Raises VoiceError if the helper fails or dies.
        """
        number = next(self._ids)
        frames: asyncio.Queue[HelperFrame] = asyncio.Queue()
        self._queues[number] = frames
        kind = AUDIO
        try:
            await self._send_request(
                {"id": number, "text": text, "voice": voice, "rate_wpm": rate_wpm}
            )
            while kind == AUDIO:
                async with asyncio.timeout(CHUNK_TIMEOUT_S):
                    kind, body = await frames.get()
                if kind == AUDIO:
                    yield body
            if kind == FAILED:
                raise VoiceError(body.decode(errors="replace"))
        except (TimeoutError, ConnectionError) as error:
            raise VoiceError("the eSpeak NG helper stopped answering") from error
        finally:
            del self._queues[number]
            if kind == AUDIO and self.alive:
                with contextlib.suppress(ConnectionError):
                    self._write_request({"cancel": number})

    async def aclose(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    async def _send_request(self, request: dict[str, object]) -> None:
        if not self.alive:
            raise ConnectionResetError
        self._write_request(request)
        await self._stdin.drain()

    def _write_request(self, request: dict[str, object]) -> None:
        body = json.dumps(request).encode()
        self._stdin.write(struct.pack("!I", len(body)) + body)

    async def _read_frame(self) -> tuple[bytes, int, bytes]:
        kind, number, length = FRAME_HEAD.unpack(await self._stdout.readexactly(FRAME_HEAD.size))
        return kind, number, await self._stdout.readexactly(length)

    async def _queue_frames(self) -> None:
        try:
            while True:
                kind, number, body = await self._read_frame()
                if number in self._queues:
                    self._queues[number].put_nowait((kind, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            logger.warning("eSpeak NG helper ended", extra={"helper_pid": self.pid})
        finally:
            for frames in self._queues.values():
                frames.put_nowait((FAILED, b"the eSpeak NG helper ended"))


class EspeakTTS(tts.TTS[Literal["metrics_collected", "error"]]):
    """Speaks text as it is written, at 22,050 Hz mono; see `agent.text.speakable`."""

    def __init__(self, voice: str = "en-us", rate_wpm: int = 165) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )
        self._voice = voice
        self._base_wpm = rate_wpm
        self._rate_wpm = rate_wpm
        self._helper: EspeakProcess | None = None
        self._starting = asyncio.Lock()
        self._prewarming: asyncio.Task[None] | None = None

    @property
    def model(self) -> str:
        return "espeak-ng"

    @property
    def provider(self) -> str:
        return "local"

    @property
    def helper_pid(self) -> int | None:
        return self._helper.pid if self._helper else None

    def prewarm(self) -> None:
        """Starts the helper, so that the first words do not wait for it. Returns at once."""
        self._prewarming = asyncio.create_task(self._prewarm_helper(), name="espeak prewarm")

    def set_rate(self, factor: float) -> None:
        """Sets a multiple of the configured rate, from the next sentence on."""
        self._rate_wpm = clamp_rate(self._base_wpm * factor)

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return EspeakStream(tts=self, input_text=text, conn_options=conn_options)

    async def synthesise_pcm(self, text: str) -> AsyncGenerator[bytes, None]:
        """Raises VoiceError."""
        helper = await self._running_helper()
        async with contextlib.aclosing(
            helper.synthesise(text, voice=self._voice, rate_wpm=self._rate_wpm)
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _prewarm_helper(self) -> None:
        with contextlib.suppress(VoiceError):  # the first words try again
            await self._running_helper()

    async def aclose(self) -> None:
        if self._prewarming is not None:
            await asyncio.wait([self._prewarming])
        await self._end_helper()

    async def _end_helper(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            await helper.aclose()

    async def _running_helper(self) -> EspeakProcess:
        async with self._starting:
            if self._helper is None or not self._helper.alive:
                await self._end_helper()
                self._helper = await EspeakProcess.start()
            return self._helper


def clamp_rate(wpm: float) -> int:
    return round(min(max(wpm, SLOWEST_WPM), FASTEST_WPM))


class EspeakStream(tts.ChunkedStream):
    def __init__(self, *, tts: EspeakTTS, input_text: str, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=tts, input_text=input_text, conn_options=conn_options)
        self._espeak = tts

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=RATE,
            num_channels=1,
            mime_type="audio/pcm",
        )
        spoken = False
        try:
            if any(character.isalnum() for character in self._input_text):
                async with contextlib.aclosing(
                    self._espeak.synthesise_pcm(self._input_text)
                ) as chunks:
                    async for chunk in chunks:
                        output_emitter.push(chunk)
                        spoken = True
        except VoiceError as error:
            # the next attempt starts a new helper
            raise APIConnectionError(str(error), retryable=not spoken) from error
        if not spoken:
            output_emitter.push(SILENT_PCM)
        output_emitter.flush()
