"""The choice of recogniser, voice and language model by settings, each with its local fallback."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from livekit.agents import llm, stt, tts, vad
from livekit.plugins import openai
from openai import AsyncOpenAI

from agent.models.espeak import EspeakTTS
from agent.models.fallback_llm import FallbackLLM
from agent.models.fallback_stt import FallbackEar
from agent.models.fallback_tts import FallbackTTS
from agent.models.whisper import Ear, WhisperSTT
from agent.offline.tutor import OfflineTutor
from settings import Settings
from speech.client import SpeechClient
from tools.desk import Desk


@dataclass(frozen=True)
class Models:
    """The models of one room. `set_rate` takes a factor of the normal speed of speech.

    Whoever builds them awaits `closes` at the end.
    """

    stt: stt.STT[Any]
    tts: tts.TTS[Any]
    set_rate: Callable[[float], None]
    names: dict[str, str]
    closes: list[Callable[[], Awaitable[None]]]


def build_models(settings: Settings, engine: SpeechClient, detector: vad.VAD) -> Models:
    """Recogniser and voice for a room."""
    espeak = EspeakTTS(voice=settings.espeak_voice, rate_wpm=settings.espeak_rate)
    if settings.tts_base_url:
        voice, set_rate = _remote_voice(settings, espeak)
    else:
        voice, set_rate = espeak, espeak.set_rate
    ear: Ear = engine
    closes: list[Callable[[], Awaitable[None]]] = [voice.aclose]
    if settings.stt_base_url:
        ear = remote = _remote_ear(settings, engine)
        closes.append(remote.aclose)
    recogniser = WhisperSTT(ear, detector, model=settings.stt_model or "whisper")
    names = {"stt": recogniser.model, "tts": voice.model}
    return Models(recogniser, voice, set_rate, names, closes)


def _remote_voice(
    settings: Settings, espeak: EspeakTTS
) -> tuple[tts.TTS[Any], Callable[[float], None]]:
    remote = openai.TTS(
        model=settings.tts_model,
        voice=settings.tts_voice or "alloy",
        base_url=settings.tts_base_url,
        api_key=settings.tts_api_key.get_secret_value() or "none",
        response_format="pcm",
    )
    voice = FallbackTTS(remote, espeak)

    def set_rate(factor: float) -> None:
        espeak.set_rate(factor)
        remote.update_options(speed=factor)

    return voice, set_rate


def _remote_ear(settings: Settings, engine: SpeechClient) -> FallbackEar:
    client = AsyncOpenAI(
        base_url=settings.stt_base_url,
        api_key=settings.stt_api_key.get_secret_value() or "none",
        max_retries=0,
    )
    remote = openai.STT(model=settings.stt_model, client=client, use_realtime=False)
    return FallbackEar(remote, engine, close=client.close)


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
    return FallbackLLM(remote, offline), model
