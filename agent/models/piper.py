"""The Piper voice of the host's voice process, as a voice of an agent session."""

import contextlib
import logging
from itertools import pairwise
from typing import Any, Literal

from livekit.agents import APIConnectionError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from agent.models.fallback_tts import FallbackTTS
from agent.models.provider import ProviderState
from agent.text.lines import LEAD_S
from speech.voice.client import VoiceClient, VoiceProcessError
from speech.voice.models import PiperModel
from speech.voice.wire import SayRequest
from telemetry import metrics

logger = logging.getLogger("bodh.voice")

TEXT_TIMEOUT_S = 60.0
SILENT_S = 0.1  # for a text without letters or digits
# above these eSpeak NG takes over: Piper is too slow on this machine at the moment
FIRST_SOUND_S, STALL_S = 1.0, 0.4
REST_S = 5.0  # a machine that was too slow is not asked again for so long


class PiperTTS(tts.TTS[Literal["metrics_collected", "error"]]):
    """Speaks text as it is written; see `agent.text.speakable`."""

    def __init__(self, client: VoiceClient, model: PiperModel, *, pace: float = 1.0) -> None:
        """`pace` is a factor of the voice's normal speed."""
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=model.rate,
            num_channels=1,
        )
        self._client = client
        self._model = model
        self._base_pace = self._pace = pace

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def provider(self) -> str:
        return "local"

    def set_rate(self, factor: float) -> None:
        """Sets a multiple of the configured pace, from the next text on."""
        self._pace = self._base_pace * factor

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> "PiperStream":
        request = SayRequest(text, self._pace, LEAD_S.get(), TEXT_TIMEOUT_S)
        return PiperStream(self, self._client, request, conn_options)

    async def aclose(self) -> None:
        await self._client.aclose()


class PiperStream(tts.ChunkedStream):
    def __init__(
        self, owner: PiperTTS, client: VoiceClient, request: SayRequest, options: APIConnectOptions
    ) -> None:
        super().__init__(tts=owner, input_text=request.text, conn_options=options)
        self._client = client
        self._request = request
        self._rate = owner.sample_rate
        self._said = [(0.0, 0)]  # seconds of sound, characters said by then

    def chars_said(self, heard_s: float) -> float:
        """How many characters of the text were said in its first seconds of sound."""
        for (start_s, start), (end_s, end) in pairwise(self._said):
            if heard_s < end_s:
                return start + (end - start) * (heard_s - start_s) / (end_s - start_s)
        return self._said[-1][1]

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._rate,
            num_channels=1,
            mime_type="audio/pcm",
        )
        try:
            if any(character.isalnum() for character in self._request.text):
                await self._push_sound(output_emitter)
        except VoiceProcessError as error:
            raise APIConnectionError(str(error), retryable=len(self._said) == 1) from error
        if len(self._said) == 1:
            output_emitter.push(bytes(2 * round(SILENT_S * self._rate)))
        output_emitter.flush()

    async def _push_sound(self, output_emitter: tts.AudioEmitter) -> None:
        async with contextlib.aclosing(self._client.say(self._request)) as sounds:
            async for sound in sounds:
                heard_s = self._said[-1][0] + len(sound.pcm) / 2 / self._rate
                self._said.append((heard_s, sound.chars))
                output_emitter.push(sound.pcm)


class PiperWithEspeak(FallbackTTS):
    """Piper, and eSpeak NG while Piper fails or falls behind real time."""

    def __init__(self, piper: PiperTTS, espeak: tts.TTS[Any]) -> None:
        super().__init__(
            piper, espeak, LocalVoiceState(), first_sound_s=FIRST_SOUND_S, stall_s=STALL_S
        )

    def chars_said(self, stream: tts.ChunkedStream, heard_s: float) -> float:
        return stream.chars_said(heard_s) if isinstance(stream, PiperStream) else 0.0


class LocalVoiceState(ProviderState):
    """Whether Piper speaks. `watch` raises the alarm if the voice process does not respond."""

    def __init__(self) -> None:
        super().__init__("tts")

    def mark_failed(self, error: Exception, rest_s: float = 0.0) -> None:
        slow = isinstance(error, TimeoutError)
        super().mark_failed(error, REST_S if slow else rest_s)

    def report_failure(self, error: Exception) -> None:
        reason = "slow" if isinstance(error, TimeoutError) else "failed"
        metrics.VOICE_FALLBACKS.inc(reason=reason)
        logger.warning("eSpeak NG takes over from Piper", extra={"why": reason})

    def report_recovery(self) -> None:
        logger.info("Piper speaks again")
