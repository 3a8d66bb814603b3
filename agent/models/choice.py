"""Recogniser, voice and language model as configured, each with its local fallback."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from livekit.agents import llm, tts
from livekit.plugins import openai
from openai import AsyncOpenAI

from agent.models.espeak import EspeakTTS
from agent.models.fallback_llm import LLMWithOfflineTutor
from agent.models.fallback_recogniser import FallbackRecogniser
from agent.models.fallback_tts import FallbackTTS
from agent.models.recogniser import Recogniser, RecogniserSTT
from agent.offline.tutor import OfflineTutor
from settings import Settings
from speech.client import SpeechClient
from tools.desk import Desk


@dataclass(frozen=True)
class Models:
    """The models of one room. Await all of `closes` at the end.

    `set_rate` takes a factor of the normal speed of speech.
    """

    recogniser: Recogniser
    stt: RecogniserSTT  # the same recogniser, for an agent session
    tts: tts.TTS[Any]
    set_rate: Callable[[float], None]
    names: dict[str, str]
    closes: list[Callable[[], Awaitable[None]]]


def build_models(settings: Settings, engine: SpeechClient) -> Models:
    espeak = EspeakTTS(voice=settings.espeak_voice, rate_wpm=settings.espeak_rate)
    if settings.tts_base_url:
        voice, set_rate = _build_remote_voice(settings, espeak)
    else:
        voice, set_rate = espeak, espeak.set_rate
    recogniser: Recogniser = engine
    closes: list[Callable[[], Awaitable[None]]] = [voice.aclose]
    if settings.stt_base_url:
        recogniser = remote = _build_remote_recogniser(settings, engine)
        closes.append(remote.aclose)
    plugin = RecogniserSTT(recogniser, model=settings.stt_model or "whisper")
    names = {"stt": plugin.model, "tts": voice.model}
    return Models(recogniser, stt=plugin, tts=voice, set_rate=set_rate, names=names, closes=closes)


def _build_remote_voice(
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


def _build_remote_recogniser(settings: Settings, engine: SpeechClient) -> FallbackRecogniser:
    client = AsyncOpenAI(
        base_url=settings.stt_base_url,
        api_key=settings.stt_api_key.get_secret_value() or "none",
        max_retries=0,
    )
    remote = openai.STT(model=settings.stt_model, client=client, use_realtime=False)
    return FallbackRecogniser(remote, engine, close=client.close)


def build_llm(settings: Settings, desk: Desk) -> tuple[llm.LLM[Any], str]:
    offline = OfflineTutor(desk)
    if not settings.cloud_llm:
        return offline, offline.model
    model = settings.llm_model
    remote = openai.LLM(model=model, base_url=settings.llm_base_url, api_key=settings.llm_key)
    return LLMWithOfflineTutor(remote, offline), model
