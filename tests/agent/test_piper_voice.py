"""The Piper voice in its process: clear, as loud as eSpeak, and replaced when it fails."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit.agents import tts

import prompts
from agent.models.espeak import EspeakTTS
from agent.models.piper import PiperTTS, PiperWithEspeak
from harness.processes import frozen
from harness.voice_process import VoiceProcess, default_voice, pcm_of, running_voice
from harness.voices import resampled
from scripts.steps import TOOLS
from speech.engine import DecodeOptions, Engine
from speech.levels import Samples
from speech.voice.client import VoiceClient, VoiceProcessError
from speech.voice.sound import loudness
from speech.voice.wire import MAX_REQUESTS, SayRequest
from tests.agent.waiting import until

pytestmark = pytest.mark.timeout(300)  # alone they take half a minute; other tests run beside
PATIENCE_S = 60.0
RATE = 22_050
ANSWERS = [
    "Gradient descent takes small steps downhill, and the learning rate says how far.",
    "A plant turns sunlight, water and air into sugar.",
    "The mountain was covered with snow, but the road was open.",
    "You can stop me at any time and ask another question.",
    "Most people forget half of a lesson within one week.",
    "When water freezes it becomes lighter, so ice swims on a lake.",
    "The train leaves at noon, and we will be home before dinner.",
    "A good example helps more than a long explanation.",
    "Her brother plays the piano, while she prefers the violin.",
    "Let us read the next page together before we take a break.",
]
LONG = " ".join(ANSWERS)


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VoiceProcess]:
    async with running_voice(tmp_path_factory.mktemp("voice")) as process:
        yield process


@pytest.fixture
async def client(process: VoiceProcess) -> AsyncIterator[VoiceClient]:
    client = VoiceClient(process.address)
    yield client
    await client.aclose()


@pytest.fixture
async def piper(client: VoiceClient) -> PiperTTS:
    return PiperTTS(client, default_voice())


@pytest.fixture(scope="module")
async def answers(process: VoiceProcess) -> list[bytes]:
    piper = PiperTTS(VoiceClient(process.address), default_voice())
    spoken = [await pcm_of(piper, text) for text in ANSWERS]
    await piper.aclose()
    return spoken


def request(text: str, *, pace: float = 1.0, lead_s: float = 0.0) -> SayRequest:
    return SayRequest(text, pace, lead_s, 60.0)


async def until_speaking(client: VoiceClient, texts: int) -> None:
    """Returns once the voice process is speaking so many texts."""

    async def is_speaking() -> bool:
        try:
            return (await client.health()).speaking == texts
        except VoiceProcessError:  # it is too busy to answer
            return False

    await until(is_speaking, f"{texts} texts are spoken", PATIENCE_S)


def samples_of(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)


def words(text: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in text.lower()).split()


def count_words_alike(said: list[str], heard: list[str]) -> int:
    blocks = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def recognise(engine: Engine, pcm: bytes) -> list[str]:
    sound = resampled(np.frombuffer(pcm, np.int16), RATE, 16_000)
    return words(engine.recognise(bytes(sound), DecodeOptions()).text)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(TOOLS / "models" / "base")


async def test_answers_are_understood(answers: list[bytes], engine: Engine) -> None:
    heard = [recognise(engine, pcm) for pcm in answers]
    said = [words(text) for text in ANSWERS]
    alike = sum(count_words_alike(*pair) for pair in zip(said, heard, strict=True))
    assert alike >= 0.9 * sum(map(len, said)), heard


async def test_both_voices_are_equally_loud(answers: list[bytes]) -> None:
    espeak = EspeakTTS()
    others = [await pcm_of(espeak, text) for text in ANSWERS]
    await espeak.aclose()
    levels = [
        20 * np.log10(np.mean([loudness(samples_of(pcm), RATE) for pcm in spoken]))
        for spoken in (answers, others)
    ]
    assert levels[0] == pytest.approx(levels[1], abs=1.5), levels
    assert max(np.abs(samples_of(pcm)).max() for pcm in answers) < 0.99


async def test_sound_arrives_while_the_rest_is_made(client: VoiceClient) -> None:
    sounds = [sound async for sound in client.say(request(ANSWERS[0]))]
    assert len(sounds) > 3
    assert len(sounds[0].pcm) / 2 / RATE < 0.5
    assert [sound.chars for sound in sounds] == sorted(sound.chars for sound in sounds)
    assert sounds[-1].chars == len(ANSWERS[0])


async def test_fixed_lines_are_served_from_memory(client: VoiceClient) -> None:
    line = prompts.render("one_moment")

    async def is_prepared() -> bool:  # else each time sounds a little different
        first, second = [[one async for one in client.say(request(line))] for _ in range(2)]
        return first == second

    await until(is_prepared, "the line is in memory", PATIENCE_S)


async def test_half_the_rate_takes_longer_from_the_next_text(piper: PiperTTS) -> None:
    normal = len(await pcm_of(piper, ANSWERS[1]))
    piper.set_rate(0.5)
    slow = len(await pcm_of(piper, ANSWERS[1]))
    assert 1.6 < slow / normal < 2.4


@pytest.mark.parametrize("text", ["...", "?!", "  -  "])
async def test_text_without_words_is_a_short_silence(piper: PiperTTS, text: str) -> None:
    assert not any(await pcm_of(piper, text))


async def test_text_that_the_caller_gives_up_is_not_spoken_on(client: VoiceClient) -> None:
    async with contextlib.aclosing(client.say(request(LONG))) as sounds:
        await anext(sounds)
        assert (await client.health()).speaking == 1

    await until_speaking(client, 0)


async def test_texts_of_a_lost_connection_are_not_spoken_on(
    client: VoiceClient, process: VoiceProcess
) -> None:
    other = VoiceClient(process.address)
    sounds = other.say(request(LONG))
    await anext(sounds)
    await other.aclose()

    await until_speaking(client, 0)
    await sounds.aclose()


async def test_one_text_too_many_is_refused_at_once(client: VoiceClient) -> None:
    async def say_long_text() -> None:
        async for _ in client.say(request(LONG, lead_s=1000.0)):
            pass

    saying = [asyncio.create_task(say_long_text()) for _ in range(MAX_REQUESTS)]
    await until_speaking(client, MAX_REQUESTS)
    with pytest.raises(VoiceProcessError, match="too many"):
        await anext(client.say(request("Hello.")))
    for task in saying:
        task.cancel()
    await asyncio.wait(saying)


async def test_bad_request_is_refused(client: VoiceClient) -> None:
    with pytest.raises(VoiceProcessError, match="at most"):
        await anext(client.say(request("long " * 3000)))


class ListedEspeak(EspeakTTS):
    """Remembers what it was asked to say."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def synthesize(self, text: str, **options: Any) -> tts.ChunkedStream:
        self.texts.append(text)
        return super().synthesize(text, **options)


async def test_espeak_continues_at_the_word_where_a_killed_piper_stopped(
    tmp_path: Path, engine: Engine
) -> None:
    text = f"{ANSWERS[9]} {ANSWERS[2]} {ANSWERS[6]}"
    espeak = ListedEspeak()
    async with running_voice(tmp_path) as process:
        voice = PiperWithEspeak(PiperTTS(VoiceClient(process.address), default_voice()), espeak)
        voice.first_sound_s = voice.stall_s = PATIENCE_S  # only the kill makes it change
        pcm = b""
        speech = voice.synthesize(text)
        async with speech as stream:
            async for sound in stream:
                pcm += bytes(sound.frame.data.cast("B"))
                if process.process and process.process.returncode is None and len(pcm) > RATE * 4:
                    await process.end(signal.SIGKILL)
        (rest,) = espeak.texts
        assert text.endswith(f" {rest}")
        before = words(text.removesuffix(rest))
        by_piper = pcm[: 2 * round(speech._heard_s * RATE)]
        heard = recognise(engine, by_piper)  # its last word was cut, and is said again
        assert abs(len(heard) - len(before)) <= 2, (heard, rest)
        assert count_words_alike(before, heard) >= 0.6 * len(before), (heard, rest)
        assert voice.model == "espeak-ng"
        assert 0.7 < len(pcm) / len(await pcm_of(voice, text)) < 1.4

        await process.start()
        async with asyncio.timeout(PATIENCE_S):
            while voice.model == "espeak-ng":
                await pcm_of(voice, "Yes.")
        texts = len(espeak.texts)
        await pcm_of(voice, ANSWERS[1])
        assert len(espeak.texts) == texts
        await voice.aclose()


async def test_espeak_speaks_when_piper_is_frozen(process: VoiceProcess) -> None:
    espeak = ListedEspeak()
    voice = PiperWithEspeak(PiperTTS(VoiceClient(process.address), default_voice()), espeak)
    changes: list[str] = []
    voice.provider_state.on_change = lambda: changes.append(voice.model)
    with frozen(process.pid):
        assert len(await pcm_of(voice, ANSWERS[1])) > RATE
    assert espeak.texts == [ANSWERS[1]]
    assert changes == ["espeak-ng"]
    await voice.aclose()


async def test_espeak_speaks_when_no_voice_process_runs(tmp_path: Path) -> None:
    espeak = ListedEspeak()
    nowhere = PiperTTS(VoiceClient(tmp_path / "nowhere.sock"), default_voice())
    voice = PiperWithEspeak(nowhere, espeak)
    assert len(await pcm_of(voice, ANSWERS[1])) > RATE
    assert espeak.texts == [ANSWERS[1]]
    await voice.aclose()
