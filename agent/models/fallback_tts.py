"""A voice with a fallback, which finishes any sentence that the voice fails."""

import asyncio
import logging
from typing import Any, Literal

from livekit import rtc
from livekit.agents import APIError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from agent.models.provider import ProviderState
from agent.text.lines import LEAD_S
from speech.playback import Playback

FIRST_SOUND_S = 2.0
PROBE = "Hello."
STALL_S = 1.5  # longest gap between two chunks of sound
SWITCH_S = 0.5  # the fallback needs it for its first sound
CHARS_PER_S = 15.0  # assumed until the provider's voice is measured
PACE_CHARS = 40  # shorter texts are mostly pauses, so they are not measured

logger = logging.getLogger("bodh.voice")


class FallbackTTS(tts.TTS[Literal["metrics_collected", "error"]]):
    def __init__(
        self,
        preferred: tts.TTS[Any],
        fallback: tts.TTS[Any],
        state: ProviderState,
        *,
        first_sound_s: float = FIRST_SOUND_S,
        stall_s: float = STALL_S,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=preferred.sample_rate,
            num_channels=preferred.num_channels,
        )
        self.preferred = preferred
        self.fallback = fallback
        self.provider_state = state
        self.first_sound_s = first_sound_s
        self.stall_s = stall_s
        self.chars_per_s = CHARS_PER_S

    @property
    def model(self) -> str:
        """The voice that speaks now."""
        return self.preferred.model if self.provider_state.up else self.fallback.model

    @property
    def provider(self) -> str:
        return self.preferred.provider

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> "FallbackSpeech":
        once = APIConnectOptions(max_retry=0, timeout=self.first_sound_s)
        return FallbackSpeech(self, text, once)

    def chars_said(self, stream: tts.ChunkedStream, heard_s: float) -> float:
        """How many characters of its text a stream has said in its first seconds."""
        return heard_s * self.chars_per_s

    async def probe_with_hello(self) -> None:
        LEAD_S.set(0.0)  # only of this task
        once = APIConnectOptions(max_retry=0, timeout=self.first_sound_s)
        async with self.preferred.synthesize(PROBE, conn_options=once) as stream:
            async with asyncio.timeout(self.first_sound_s / 2):
                async for _ in stream:
                    return

    async def aclose(self) -> None:
        await self.provider_state.aclose()
        await self.preferred.aclose()
        await self.fallback.aclose()


class FallbackSpeech(tts.ChunkedStream):
    """One text. No word is said twice, and every text has some sound."""

    def __init__(self, owner: FallbackTTS, text: str, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=owner, input_text=text, conn_options=conn_options)
        self._owner = owner
        self._playback = Playback(LEAD_S.get())
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
            rest = await self._speak_by_preferred(output_emitter)
        else:
            owner.provider_state.start_probe(owner.probe_with_hello)
        if rest:
            await self._speak_by_fallback(rest, output_emitter)
        output_emitter.flush()

    async def _speak_by_preferred(self, output_emitter: tts.AudioEmitter) -> str:
        """Returns the text that was not spoken."""
        owner, text = self._owner, self._input_text
        async with owner.preferred.synthesize(text, conn_options=self._conn_options) as stream:
            try:
                await self._push_sound(stream, output_emitter)
            except (APIError, TimeoutError) as error:
                owner.provider_state.mark_failed(error)
                return unspoken_rest(text, owner.chars_said(stream, self._heard_s))
        if len(text) >= PACE_CHARS and self._heard_s:
            owner.chars_per_s = len(text) / self._heard_s
        return ""

    async def _push_sound(
        self, stream: tts.ChunkedStream, output_emitter: tts.AudioEmitter
    ) -> None:
        """Raises TimeoutError if the listener would have to wait for long."""
        sounds, limit_s = aiter(stream), self._owner.first_sound_s
        while True:
            async with asyncio.timeout(max(limit_s, self._playback.lead_s - SWITCH_S)):
                sound = await anext(sounds, None)
            if sound is None:
                return
            limit_s = self._owner.stall_s
            self._heard_s += sound.frame.duration
            self._playback.add(sound.frame.duration)
            output_emitter.push(bytes(sound.frame.data.cast("B")))

    async def _speak_by_fallback(self, text: str, output_emitter: tts.AudioEmitter) -> None:
        owner = self._owner
        LEAD_S.set(self._playback.lead_s)
        resampler = rtc.AudioResampler(owner.fallback.sample_rate, owner.sample_rate)
        try:
            async with owner.fallback.synthesize(text) as stream:
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
