"""eSpeak in its helper: it speaks clearly, and is replaced when it dies."""

import os
import signal
from collections.abc import AsyncIterator

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions

from agent.models.espeak import EspeakTTS, VoiceError, clamp_rate
from speech.engine import DecodeOptions, Engine
from speech.models import TEST_MODEL_FOLDER
from tests.agent.speech_parts import said

PHRASES = [
    "yes",
    "no thank you",
    "hello bodh",
    "can you repeat the last part",
    "please slow down",
    "what is gradient descent",
    "i do not understand gradient descent",
    "explain a neural network with an example",
    "my answer is three",
    "goodbye bodh",
]
ONCE = APIConnectOptions(max_retry=0)


@pytest.fixture
async def voice() -> AsyncIterator[EspeakTTS]:
    voice = EspeakTTS()
    yield voice
    await voice.aclose()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(TEST_MODEL_FOLDER, whole_windows=True)


@pytest.mark.parametrize("phrase", PHRASES)
async def test_spoken_phrases_are_recognised_exactly(
    voice: EspeakTTS, engine: Engine, phrase: str
) -> None:
    assert engine.recognise(await said(voice, phrase), DecodeOptions()).text == phrase


async def test_voice_can_be_chosen_by_language(engine: Engine) -> None:
    voice = EspeakTTS(voice="en-gb")
    heard = engine.recognise(await said(voice, "what is a vector"), DecodeOptions())
    await voice.aclose()
    assert heard.text == "what is a vector"


async def test_frames_are_22050_hz_mono(voice: EspeakTTS) -> None:
    frame = await voice.synthesize("what is a vector").collect()
    assert (frame.sample_rate, frame.num_channels) == (22_050, 1)
    assert 0.8 < frame.duration < 2.0


@pytest.mark.parametrize("text", ["...", "?!", "  -  "])
async def test_text_without_words_is_a_short_silence(voice: EspeakTTS, text: str) -> None:
    frame = await voice.synthesize(text).collect()
    assert 0 < frame.duration < 0.3
    assert not any(frame.data)


async def test_half_the_rate_takes_longer_from_the_next_text(voice: EspeakTTS) -> None:
    normal = await voice.synthesize("what is gradient descent").collect()
    voice.set_rate(0.5)
    slow = await voice.synthesize("what is gradient descent").collect()
    voice.set_rate(1.0)
    again = await voice.synthesize("what is gradient descent").collect()
    assert slow.duration > 1.5 * normal.duration
    assert again.duration == pytest.approx(normal.duration, abs=0.1)


@pytest.mark.parametrize(("wpm", "spoken"), [(1.7, 80), (165.0, 165), (198.4, 198), (1485.0, 400)])
def test_rate_stays_within_what_can_be_understood(wpm: float, spoken: int) -> None:
    assert clamp_rate(wpm) == spoken


async def test_cancelled_text_is_not_spoken_with_the_next_one(voice: EspeakTTS) -> None:
    stream = voice.synthesize("we do this many times and look again. " * 200)
    async for _ in stream:
        break
    await stream.aclose()
    frame = await voice.synthesize("hello").collect()
    assert frame.duration < 1.5


async def test_killed_helper_is_replaced_within_the_same_request(voice: EspeakTTS) -> None:
    await voice.synthesize("hello").collect()
    first = voice.helper_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    frame = await voice.synthesize("hello").collect()
    assert frame.duration > 0.3
    assert voice.helper_pid != first


async def test_helper_ends_when_the_voice_is_closed(voice: EspeakTTS) -> None:
    await voice.synthesize("hello").collect()
    pid = voice.helper_pid
    assert pid is not None
    await voice.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_unknown_voice_is_an_api_error() -> None:
    voice = EspeakTTS(voice="no-such-voice")
    with pytest.raises(VoiceError, match="no-such-voice"):
        [chunk async for chunk in voice.synthesise_pcm("hello")]
    with pytest.raises(APIConnectionError):
        await voice.synthesize("hello", conn_options=ONCE).collect()
    await voice.aclose()
