"""A provider's recogniser that falls back to the speech engine, utterance by utterance."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from livekit import rtc
from livekit.agents import APIError, stt
from livekit.agents.types import APIConnectOptions

from agent.models.provider import ProviderState
from agent.models.recogniser import LANGUAGE, RecognitionOptions
from speech.client import SpeechBusy, SpeechClient
from speech.wire import RATE, Recognition

TIMEOUT_S = 4.0
SILENCE = bytes(2 * RATE)  # a second


class FallbackRecogniser:
    def __init__(
        self,
        remote: stt.STT[Any],
        local: SpeechClient,
        *,
        close: Callable[[], Awaitable[None]],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`close` closes the connections of `remote`, whose own `aclose` leaves them open."""
        self.remote = remote
        self.local = local
        self.timeout_s = timeout_s
        self._close = close
        self.provider_state = ProviderState("stt")

    async def recognise(self, pcm: bytes, **options: Unpack[RecognitionOptions]) -> Recognition:
        """Raises SpeechBusy for every interim, SpeechError if the engine fails too.

        The provider gets no hotwords: nothing checks whether they were said.
        """
        state = self.provider_state
        if options.get("kind") == "interim":
            raise SpeechBusy("providers are only asked for finals")
        if state.up:
            try:
                return await self._recognise_by_provider(pcm, options.get("language", LANGUAGE))
            except (APIError, TimeoutError) as error:
                state.mark_failed(error)
        else:
            state.start_probe(self._probe_with_silence)
        return await self.local.recognise(pcm, **options)

    async def _probe_with_silence(self) -> None:
        """Not with a learner's voice: a probe may run when they have erased it."""
        await self._recognise_by_provider(SILENCE, LANGUAGE)

    async def _recognise_by_provider(self, pcm: bytes, language: str | None) -> Recognition:
        began = time.perf_counter()
        frame = rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2)
        once = APIConnectOptions(max_retry=0, timeout=self.timeout_s)
        async with asyncio.timeout(self.timeout_s):
            event = await self.remote.recognize([frame], conn_options=once)
        best = event.alternatives[0] if event.alternatives else None
        return Recognition(
            text=best.text.strip() if best else "",
            language=(best.language if best else "") or language or "",
            confidence=best.confidence if best else 0.0,
            audio_s=frame.duration,
            decode_s=time.perf_counter() - began,
        )

    async def aclose(self) -> None:
        await self.provider_state.aclose()
        await self.remote.aclose()
        await self._close()
