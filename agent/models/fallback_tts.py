"""A provider's voice; the local voice finishes any sentence that the provider fails."""

import asyncio
import logging
from typing import Any, Literal

from livekit import rtc
from livekit.agents import APIError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from agent.models.provider import ProviderState

FIRST_SOUND_S = 2.0
PROBE = "Hello."
STALL_S = 1.5  # longest gap between two chunks of sound
CHARS_PER_S = 15.0  # assumed until the provider's voice is measured
PACE_CHARS = 40  # shorter texts are mostly pauses, so they are not measured

logger = logging.getLogger("bodh.voice")


class FallbackTTS(tts.TTS[Literal["metrics_collected", "error"]]):
    def __init__(
        self,
        remote: tts.TTS[Any],
        local: tts.TTS[Any],
        *,
        first_sound_s: float = FIRST_SOUND_S,
        stall_s: float = STALL_S,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=remote.sample_rate,
            num_channels=remote.num_channels,
        )
        self.remote = remote
        self.local = local
        self.first_sound_s = first_sound_s
        self.stall_s = stall_s
        self.provider_state = ProviderState("tts")
        self.chars_per_s = CHARS_PER_S

    @property
    def model(self) -> str:
        return self.remote.model

    @property
    def provider(self) -> str:
        return self.remote.provider

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> "FallbackSpeech":
        once = APIConnectOptions(max_retry=0, timeout=self.first_sound_s)
        return FallbackSpeech(self, text, once)

    async def probe_with_hello(self) -> None:
        once = APIConnectOptions(max_retry=0, timeout=self.first_sound_s)
        async with self.remote.synthesize(PROBE, conn_options=once) as stream:
            async with asyncio.timeout(self.first_sound_s):
                async for _ in stream:
                    return

    async def aclose(self) -> None:
        await self.provider_state.aclose()
        await self.remote.aclose()
        await self.local.aclose()


class FallbackSpeech(tts.ChunkedStream):
    """One text. No word is said twice, and every text has some sound."""

    def __init__(self, owner: FallbackTTS, text: str, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=owner, input_text=text, conn_options=conn_options)
        self._owner = owner
        self._heard_s = 0.0

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        owner = self._owner
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=owner.sample_rate,
            num_channels=owner.num_channels,
            mime_type="audio/pcm",
        )
        rest = self._input_text
        if owner.provider_state.up:
            rest = await self._speak_by_provider(output_emitter)
        else:
            owner.provider_state.start_probe(owner.probe_with_hello)
        if rest:
            await self._speak_locally(rest, output_emitter)
        output_emitter.flush()

    async def _speak_by_provider(self, output_emitter: tts.AudioEmitter) -> str:
        """Returns the text that was not spoken."""
        owner, text = self._owner, self._input_text
        try:
            async with owner.remote.synthesize(text, conn_options=self._conn_options) as stream:
                sounds, limit_s = aiter(stream), owner.first_sound_s
                while True:
                    async with asyncio.timeout(limit_s):
                        sound = await anext(sounds, None)
                    if sound is None:
                        break
                    limit_s = owner.stall_s
                    self._heard_s += sound.frame.duration
                    output_emitter.push(bytes(sound.frame.data.cast("B")))
        except (APIError, TimeoutError) as error:
            owner.provider_state.mark_failed(error)
            return unspoken_rest(text, self._heard_s * owner.chars_per_s)
        if len(text) >= PACE_CHARS and self._heard_s:
            owner.chars_per_s = len(text) / self._heard_s
        return ""

    async def _speak_locally(self, text: str, output_emitter: tts.AudioEmitter) -> None:
        owner = self._owner
        resampler = rtc.AudioResampler(owner.local.sample_rate, owner.sample_rate)
        try:
            async with owner.local.synthesize(text) as stream:
                async for sound in stream:
                    for frame in resampler.push(sound.frame):
                        output_emitter.push(bytes(frame.data.cast("B")))
            for frame in resampler.flush():
                output_emitter.push(bytes(frame.data.cast("B")))
        except APIError:
            # as much silence as the words would take, so that captions continue at reading speed
            logger.warning("neither voice answered", extra={"chars": len(text)})
            silence_s = len(text) / owner.chars_per_s
            output_emitter.push(bytes(2 * int(silence_s * owner.sample_rate)))


def unspoken_rest(text: str, chars_said: float) -> str:
    if chars_said >= len(text):
        return ""
    return text[text.rfind(" ", 0, int(chars_said) + 1) + 1 :]
