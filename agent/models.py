"""The choice of recogniser, voice and language model by settings, each with its local fallback."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livekit.agents import llm, stt, tts, vad
from livekit.plugins import openai

from agent.plugins.espeak import EspeakTTS
from agent.plugins.offline_tutor import OfflineTutor
from agent.plugins.whisper import WhisperSTT
from settings import Settings
from speech.client import SpeechClient
from tools.desk import Desk

LLM_TIMEOUT_S = 4.0  # to the first token; then the offline tutor answers


@dataclass(frozen=True)
class Models:
    """The models of one room. `set_rate` takes a factor of the normal speed of speech."""

    stt: stt.STT[Any]
    tts: tts.TTS[Any]
    set_rate: Callable[[float], None]
    names: dict[str, str]


def build_models(settings: Settings, engine: SpeechClient, detector: vad.VAD) -> Models:
    """Recogniser and voice for a room."""
    espeak = EspeakTTS(voice=settings.espeak_voice, rate_wpm=settings.espeak_rate)
    whisper = WhisperSTT(engine, detector)
    recogniser: stt.STT[Any] = whisper
    voice: tts.TTS[Any] = espeak
    names = {"stt": whisper.model, "tts": espeak.model}
    remote_voice: openai.TTS | None = None

    def set_rate(factor: float) -> None:
        espeak.set_rate(factor)
        if remote_voice is not None:
            remote_voice.update_options(speed=factor)

    if settings.stt_base_url:
        remote = openai.STT(
            model=settings.stt_model,
            base_url=settings.stt_base_url,
            api_key=settings.stt_api_key.get_secret_value() or "none",
            use_realtime=False,
        )
        recogniser = stt.FallbackAdapter([remote, whisper], vad=detector)
        names["stt"] = settings.stt_model
    if settings.tts_base_url:
        remote_voice = openai.TTS(
            model=settings.tts_model,
            voice=settings.tts_voice or "alloy",
            base_url=settings.tts_base_url,
            api_key=settings.tts_api_key.get_secret_value() or "none",
            response_format="pcm",
        )
        voice = tts.FallbackAdapter([remote_voice, espeak])
        names["tts"] = settings.tts_model
    return Models(recogniser, voice, set_rate, names)


def build_llm(settings: Settings, desk: Desk) -> tuple[llm.LLM[Any], str]:
    """The language model, or the offline tutor in its place, and its name."""
    offline = OfflineTutor(desk)
    if not settings.cloud_llm:
        return offline, offline.model
    model = settings.llm_model or "gpt-4.1-mini"
    remote = (
        openai.LLM(model=model, base_url=settings.llm_base_url, api_key=settings.llm_key)
        if settings.llm_base_url
        else openai.LLM(model=model, api_key=settings.llm_key)
    )
    adapter = llm.FallbackAdapter(
        [remote, offline], attempt_timeout=LLM_TIMEOUT_S, max_retry_per_llm=0
    )
    return adapter, model
