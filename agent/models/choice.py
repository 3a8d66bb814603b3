"""Recogniser, voice and language model as configured, each with its local fallback."""

import logging
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
from agent.models.piper import PiperTTS, PiperWithEspeak
from agent.models.provider import ProviderState
from agent.models.recogniser import Recogniser, RecogniserSTT
from agent.offline.tutor import OfflineTutor
from settings import Settings
from speech.client import SpeechClient
from speech.voice.client import VoiceClient
from speech.voice.models import NoVoice, find_voice
from tools.desk import Desk

logger = logging.getLogger("bodh.voice")

SetRate = Callable[[float], None]


@dataclass(frozen=True)
class Models:
    """The models of one room. Await all of `closes` at the end.

    `set_rate` takes a factor of the normal speed of speech.
    """

    recogniser: Recogniser
    stt: RecogniserSTT  # the same recogniser, for an agent session
    tts: tts.TTS[Any]
    set_rate: SetRate
    closes: list[Callable[[], Awaitable[None]]]

    @property
    def names(self) -> dict[str, str]:
        """The models in use now. A failing voice is replaced by its fallback."""
        return {"stt": self.stt.model, "tts": self.tts.model}

    def on_voice_change(self, callback: Callable[[], None]) -> None:
        """Calls back when another voice takes over."""
        voice: object = self.tts
        while isinstance(voice, FallbackTTS):
            voice.provider_state.on_change = callback
            voice = voice.fallback


def build_models(settings: Settings, engine: SpeechClient) -> Models:
    voice, set_rate = _build_local_voice(settings)
    if settings.tts_base_url:
        voice, set_rate = _build_remote_voice(settings, voice, set_rate)
    recogniser: Recogniser = engine
    closes: list[Callable[[], Awaitable[None]]] = [voice.aclose]
    if settings.stt_base_url:
        recogniser = remote = _build_remote_recogniser(settings, engine)
        closes.append(remote.aclose)
    plugin = RecogniserSTT(recogniser, model=settings.stt_model or "whisper")
    return Models(recogniser, stt=plugin, tts=voice, set_rate=set_rate, closes=closes)


def _build_local_voice(settings: Settings) -> tuple[tts.TTS[Any], SetRate]:
    """Piper with eSpeak NG as its fallback, or eSpeak NG alone."""
    espeak = EspeakTTS(voice=settings.espeak_voice, rate_wpm=settings.espeak_rate)
    try:
        model = find_voice(settings.voice_model, settings.bodh_home)
    except NoVoice:  # `make up` refuses it, but a container starts
        logger.error("VOICE_MODEL names no Piper voice, so eSpeak NG speaks")
        model = None
    if model is None:
        return espeak, espeak.set_rate
    piper = PiperTTS(VoiceClient(settings.voice_address), model)

    def set_rate(factor: float) -> None:
        espeak.set_rate(factor)
        piper.set_rate(factor)

    return PiperWithEspeak(piper, espeak), set_rate


def _build_remote_voice(
    settings: Settings, local: tts.TTS[Any], set_local_rate: SetRate
) -> tuple[tts.TTS[Any], SetRate]:
    remote = openai.TTS(
        model=settings.tts_model,
        voice=settings.tts_voice or "alloy",
        base_url=settings.tts_base_url,
        api_key=settings.tts_api_key.get_secret_value() or "none",
        response_format="pcm",
    )

    def set_rate(factor: float) -> None:
        set_local_rate(factor)
        remote.update_options(speed=factor)

    return FallbackTTS(remote, local, ProviderState("tts")), set_rate


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
