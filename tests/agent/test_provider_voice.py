"""Voice and recogniser of a provider: when they fail, no word is lost or said twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import prompts
from agent.models.choice import Models, build_models
from agent.models.fallback_recogniser import FallbackRecogniser
from agent.models.fallback_tts import FallbackTTS, unspoken_rest
from agent.talk.speaking import synthesise_sentences
from harness.provider import MODEL, ModelServer
from harness.voices import synthesise_cached
from settings import Settings
from speech.client import SpeechClient, SpeechError
from tests.agent.speech_parts import WAVS, recorded
from tests.agent.waiting import until

SENTENCE = (
    "The loss function is a function that measures how wrong the predictions of a model are, "
    "in a single number that training makes smaller step by step."
)
PHRASE = "what-is-gradient-descent"


def models_by(provider: ModelServer, settings: Settings, client: SpeechClient) -> Models:
    by_provider = settings.model_copy(
        update={
            "tts_base_url": provider.url,
            "tts_model": MODEL,
            "stt_base_url": provider.url,
            "stt_model": MODEL,
            "espeak_rate": 240,
        }
    )
    return build_models(by_provider, client)


@pytest.fixture
async def voice(
    provider: ModelServer, settings: Settings, client: SpeechClient
) -> AsyncIterator[FallbackTTS]:
    voice = models_by(provider, settings, client).tts
    assert isinstance(voice, FallbackTTS)
    try:
        yield voice
    finally:
        await voice.aclose()


@pytest.fixture
async def recogniser(
    provider: ModelServer, settings: Settings, client: SpeechClient
) -> AsyncIterator[FallbackRecogniser]:
    recogniser = models_by(provider, settings, client).recogniser
    assert isinstance(recogniser, FallbackRecogniser)
    try:
        yield recogniser
    finally:
        await recogniser.aclose()


async def say(voice: FallbackTTS, text: str = SENTENCE) -> tuple[float, float]:
    """Seconds of sound, and the longest gap for a live listener."""
    asked = time.monotonic()
    heard_s, gap_s = 0.0, 0.0
    async with voice.synthesize(text) as stream:
        async for sound in stream:
            gap_s = max(gap_s, time.monotonic() - asked - heard_s)
            heard_s += sound.frame.duration
    return heard_s, gap_s


async def whole_s() -> float:
    return len(await synthesise_cached(SENTENCE, rate_wpm=240)) / 22_050


async def test_provider_speaks(voice: FallbackTTS, provider: ModelServer) -> None:
    heard_s, _ = await say(voice)
    assert 0.9 < heard_s / await whole_s() < 1.15
    assert provider.spoken == [SENTENCE]
    assert voice.provider_state.up


@pytest.mark.parametrize(
    "fault", ["hang", "500", "reset", "429 for long", "dies at 0", "dies at 5", "hangs at 5"]
)
async def test_local_voice_takes_over_without_a_gap_or_a_repetition(
    voice: FallbackTTS, provider: ModelServer, fault: str
) -> None:
    await say(voice)  # measures the pace of the provider's voice
    provider.break_("tts", fault)
    heard_s, gap_s = await say(voice)
    assert 0.85 < heard_s / await whole_s() < 1.2
    assert gap_s < voice.first_sound_s + 1.5  # 2 s, and what a busy machine adds
    assert not voice.provider_state.up


async def test_voice_that_hung_is_skipped_until_it_is_back(
    voice: FallbackTTS, provider: ModelServer
) -> None:
    provider.break_("tts", "hang")
    await say(voice)
    _, gap_s = await say(voice)
    assert gap_s < voice.first_sound_s
    await voice.provider_state.aclose()  # the probe, which hangs as well
    provider.mend()
    await say(voice)
    # the provider counts the probe a moment after its answer
    await until(lambda: voice.provider_state.up and provider.served["tts"])
    await say(voice)
    assert provider.served["tts"] == 2


async def test_first_sentence_is_spoken_before_the_second_is_written(voice: FallbackTTS) -> None:
    heard = asyncio.Event()

    async def written() -> AsyncIterator[str]:
        yield f"{prompts.render('one_moment')} "
        async with asyncio.timeout(10):
            await heard.wait()
        yield "The loss is a number."

    async for _ in synthesise_sentences(voice, written(), lambda: None):
        heard.set()


async def test_captions_continue_when_neither_voice_responds(
    voice: FallbackTTS, provider: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.break_("tts", "500")
    monkeypatch.setattr("agent.models.espeak.HELPER_PATH", Path("/nowhere/helper.py"))
    heard_s, _ = await say(voice)
    assert 5 < heard_s < 15  # silence for as long as it takes to read the words


@pytest.mark.parametrize(
    ("chars_said", "rest"),
    [(0, "one two three"), (2, "one two three"), (3, "two three"), (6, "two three"),
     (9, "three"), (12, "three"), (13, "")],
)  # fmt: skip
def test_rest_of_a_sentence_starts_with_the_word_that_was_cut(chars_said: float, rest: str) -> None:
    assert unspoken_rest("one two three", chars_said) == rest


async def test_provider_recognises(recogniser: FallbackRecogniser, provider: ModelServer) -> None:
    found = await recogniser.recognise(recorded(PHRASE))
    assert found.text == WAVS[PHRASE]
    assert provider.served["stt"] == 1


@pytest.mark.parametrize("fault", ["hang", "500", "reset", "429 for long"])
async def test_engine_recognises_an_utterance_that_the_provider_fails(
    recogniser: FallbackRecogniser, provider: ModelServer, fault: str
) -> None:
    provider.break_("stt", fault)
    recogniser.timeout_s = 1.0
    assert (await recogniser.recognise(recorded(PHRASE))).text == WAVS[PHRASE]
    assert not recogniser.provider_state.up
    recogniser.timeout_s = 60.0
    async with asyncio.timeout(20):  # without waiting for the provider
        assert (await recogniser.recognise(recorded(PHRASE))).text == WAVS[PHRASE]


async def test_provider_that_is_back_is_used_again(
    recogniser: FallbackRecogniser, provider: ModelServer
) -> None:
    provider.break_("stt", "500")
    await recogniser.recognise(recorded(PHRASE))
    provider.mend()
    await recogniser.recognise(recorded(PHRASE))
    # the provider counts the probe a moment after its answer
    await until(lambda: recogniser.provider_state.up and provider.served["stt"])
    served = provider.served["stt"]
    await recogniser.recognise(recorded(PHRASE))
    assert provider.served["stt"] == served + 1


async def test_failure_of_provider_and_engine_is_an_error(
    provider: ModelServer, settings: Settings, tmp_path: Path
) -> None:
    nowhere = SpeechClient(tmp_path / "nowhere.sock")
    recogniser = models_by(provider, settings, nowhere).recogniser
    assert isinstance(recogniser, FallbackRecogniser)
    provider.break_("stt", "500")
    with pytest.raises(SpeechError):
        await recogniser.recognise(recorded(PHRASE), timeout_s=0.5)
    await recogniser.aclose()
