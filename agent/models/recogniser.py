"""The Recogniser interface, and its adapter for LiveKit's agent sessions."""

from collections.abc import Callable
from typing import Literal, Protocol, TypedDict, Unpack

from livekit import rtc
from livekit.agents import APIConnectionError, stt, utils
from livekit.agents.language import LanguageCode
from livekit.agents.types import NOT_GIVEN, APIConnectOptions, NotGivenOr

from speech.client import SpeechError
from speech.wire import RATE, Recognition

LANGUAGE = "en"


class RecognitionOptions(TypedDict, total=False):
    """What a request may name; `SpeechClient.recognise` has the defaults.

    `hotwords` are rare words that may be said, the most important first. Requests with the same
    `utterance` begin with the same sound.
    """

    kind: Literal["final", "interim"]
    language: str | None
    hotwords: tuple[str, ...]
    utterance: str
    timeout_s: float


class Recogniser(Protocol):
    async def recognise(self, pcm: bytes, **options: Unpack[RecognitionOptions]) -> Recognition:
        """The text of int16 mono PCM at 16 kHz. Raises SpeechError."""


class ExpectingRecogniser:
    """Recognises with the hotwords of one speaker, which are listed for each final."""

    def __init__(
        self, recogniser: Recogniser, list_hotwords: Callable[[], tuple[str, ...]]
    ) -> None:
        self._recogniser = recogniser
        self._list_hotwords = list_hotwords

    async def recognise(self, pcm: bytes, **options: Unpack[RecognitionOptions]) -> Recognition:
        if options.get("kind", "final") == "final":
            options["hotwords"] = options.get("hotwords", ()) + self._list_hotwords()
        return await self._recogniser.recognise(pcm, **options)


class RecogniserSTT(stt.STT[Literal["metrics_collected", "error"]]):
    """Recognises one utterance per call; the agent session splits speech by its own VAD."""

    def __init__(self, recogniser: Recogniser, *, model: str) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._recogniser = recogniser
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    @property
    def provider(self) -> str:
        return "bodh-speech"

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        frame = resample_for_recognition(utils.combine_frames(buffer))
        try:
            found = await self._recogniser.recognise(
                bytes(frame.data.cast("B")),
                language=language or LANGUAGE,
                timeout_s=conn_options.timeout,
            )
        except SpeechError as error:
            # after any other error the agent session would not hear anything again
            raise APIConnectionError(str(error), retryable=False) from error
        text = stt.SpeechData(
            language=LanguageCode(found.language),
            text=found.text,
            end_time=frame.duration,
            confidence=found.confidence,
        )
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[text])


def resample_for_recognition(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    if frame.sample_rate == RATE:
        return frame
    resampler = rtc.AudioResampler(frame.sample_rate, RATE, num_channels=frame.num_channels)
    return utils.combine_frames([*resampler.push(frame), *resampler.flush()])
