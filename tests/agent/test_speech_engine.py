"""The engine: it recognises phrases, and finds no words in silence or noise."""

import asyncio
import time

import numpy as np
import pytest

from speech.engine import DecodeOptions, Engine, TooLong
from speech.models import TEST_MODEL_FOLDER
from speech.sound_or_noise import find_loud_part, has_repeating_words
from speech.wire import RATE
from tests.agent.speech_parts import WAVS, noise, recorded, silence


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(TEST_MODEL_FOLDER, whole_windows=True)


@pytest.mark.parametrize(("name", "text"), WAVS.items())
def test_recorded_phrases_are_recognised_exactly(engine: Engine, name: str, text: str) -> None:
    found = engine.recognise(recorded(name), DecodeOptions())
    assert (found.text, found.language) == (text, "en")
    assert found.confidence > 0.8


def test_words_have_times_in_order_within_the_audio(engine: Engine) -> None:
    found = engine.recognise(recorded("repeat-last-part"), DecodeOptions(words=True))
    times = [at for word in found.words for at in (word.start_s, word.end_s)]
    assert [word.text for word in found.words] == found.text.split()
    assert times == sorted(times)
    assert times[-1] <= found.audio_s


@pytest.mark.parametrize(
    "pcm",
    [
        b"",
        b"\x01",
        silence(0.02),
        silence(29.0),
        noise(0.3, 300),
        noise(1.0, 20),
        noise(3.0, 1000),
        noise(10.0, 6000),
        silence(0.5) + noise(0.29, 3000) + silence(0.5),
        silence(0.3) + b"\x00\x40" * 30 + silence(0.3),
        (3000 * np.sin(np.arange(2 * RATE) * 0.05)).astype(np.int16).tobytes(),
    ],
    ids=["nothing", "a byte", "a frame", "silence", "short noise", "microphone", "noise",
         "loud noise", "burst", "click", "hum"],
)  # fmt: skip
def test_silence_and_noise_give_no_text(engine: Engine, pcm: bytes) -> None:
    found = engine.recognise(pcm, DecodeOptions())
    assert (found.text, found.words, found.confidence) == ("", (), 0.0)


def test_ten_minutes_of_silence_and_noise_give_no_text(engine: Engine) -> None:
    heard = [engine.recognise(silence(29), DecodeOptions()).text for _ in range(13)]
    heard += [
        engine.recognise(noise(29, level, seed), DecodeOptions()).text
        for seed, level in enumerate([30, 100, 300, 1000, 3000, 50, 150, 600])
    ]
    assert "".join(heard) == ""


def test_audio_longer_than_a_window_is_refused(engine: Engine) -> None:
    with pytest.raises(TooLong):
        engine.recognise(silence(29.6), DecodeOptions())


async def test_event_loop_is_free_while_the_model_decodes(engine: Engine) -> None:
    pcm = recorded("repeat-last-part")
    decode = asyncio.create_task(asyncio.to_thread(engine.recognise, pcm, DecodeOptions()))
    late = []
    while not decode.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - before - 0.005)
    assert (await decode).text == WAVS["repeat-last-part"]
    assert sorted(late)[len(late) * 9 // 10] < 0.05


def test_voiced_seconds_leave_out_pauses() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[4000:8000] = 0.1
    sound = find_loud_part(samples)
    assert sound.voiced_s == pytest.approx(0.25, abs=0.021)
    assert (sound.start, sound.end) == pytest.approx((4000, 8000), abs=320)


@pytest.mark.parametrize(("before_s", "after_s"), [(0.0, 0.0), (0.56, 0.25), (2.0, 2.0)])
def test_silence_around_a_phrase_does_not_change_its_text(
    engine: Engine, before_s: float, after_s: float
) -> None:
    pcm = silence(before_s) + recorded("my-answer-is-three") + silence(after_s)
    assert engine.recognise(pcm, DecodeOptions()).text == "my answer is three"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no no no", False),
        ("no no no no", True),
        ("one two three one two three", False),
        ("thank you thank you thank you thank you", True),
        ("i see you see we see they see", False),
        ("", False),
    ],
)
def test_group_of_words_said_four_times_is_a_loop(text: str, expected: bool) -> None:
    assert has_repeating_words(text) is expected
