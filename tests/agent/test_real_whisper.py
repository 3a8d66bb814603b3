"""The default model, Whisper base with its real weights, on the short windows it is given."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from agent.models.espeak import EspeakTTS
from scripts.steps import TOOLS
from speech.decoder import LONG_FRAMES
from speech.engine import DecodeOptions, Engine, Utterance, pcm_to_samples
from speech.known_utterances import UtteranceRecogniser
from speech.levels import Samples
from speech.queue import RecognitionQueue
from speech.wire import RATE
from tests.agent.speech_parts import noise, said, silence

FOLDER = TOOLS / "models" / "base"
SENTENCES = [
    "Please show me the next lesson.",
    "He bought three apples and two bananas.",
    "I forgot my homework at school today.",
    "I would like to take a short break now.",
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    assert FOLDER.exists(), "run `.venv/bin/python -m scripts.setup tests` to download the model"
    return Engine(FOLDER)


@pytest.fixture
async def spoken() -> list[bytes]:
    voice = EspeakTTS(voice="en-us")
    spoken = [await said(voice, text) for text in SENTENCES]
    await voice.aclose()
    return spoken


def words(text: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in text.lower()).split()


async def test_free_sentences_are_recognised(engine: Engine, spoken: list[bytes]) -> None:
    heard = [engine.recognise(pcm, DecodeOptions()).text for pcm in spoken]
    pairs = [(words(text), words(one)) for text, one in zip(SENTENCES, heard, strict=True)]
    assert sum(text == one for text, one in pairs) >= len(pairs) - 1, heard


async def test_words_have_times_within_the_sound(engine: Engine, spoken: list[bytes]) -> None:
    found = engine.recognise(silence(1.0) + spoken[0], DecodeOptions(words=True))
    times = [at for word in found.words for at in (word.start_s, word.end_s)]
    assert [words(word.text)[0] for word in found.words] == words(SENTENCES[0])
    assert times == sorted(times)
    assert 0.7 < times[0] < times[-1] <= found.audio_s


async def test_clear_speech_gets_a_short_window_and_unclear_speech_also_a_longer_one(
    engine: Engine, spoken: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[int] = []
    model = engine._decoder._model
    encode = model.encode

    def note_window(features: Samples) -> Any:
        windows.append(features.shape[-1])
        return encode(features)

    monkeypatch.setattr(model, "encode", note_window)
    sound = pcm_to_samples(spoken[1])
    noisy = sound + np.random.default_rng(1).normal(0, np.std(sound), len(sound))
    engine.recognise(spoken[0], DecodeOptions())
    assert windows == [600]  # the sound with half a second around it, and two seconds to spare
    engine.recognise((noisy * 20_000).astype(np.int16).tobytes(), DecodeOptions())
    assert windows[1:] == [600, LONG_FRAMES]


async def test_utterances_decoded_together_get_the_texts_they_get_alone(
    engine: Engine, spoken: list[bytes]
) -> None:
    utterances = [engine.find_utterance(pcm, DecodeOptions()) for pcm in spoken]
    batch = [one for one in utterances if isinstance(one, Utterance)]
    assert len(batch) == len(spoken)
    assert all(one.can_share_batch(batch[0]) for one in batch)
    together = [found.text for found in engine.recognise_batch(batch)]
    assert together == [engine.recognise(pcm, DecodeOptions()).text for pcm in spoken]


async def test_long_speech_is_not_decoded_again_from_its_start(
    engine: Engine, spoken: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[float] = []
    find_utterance = engine.find_utterance

    def note_length(pcm: bytes, options: DecodeOptions) -> Any:
        lengths.append(len(pcm) / 2 / RATE)
        return find_utterance(pcm, options)

    monkeypatch.setattr(engine, "find_utterance", note_length)
    pcm = silence(0.4) + b"".join(spoken) + silence(0.4) + b"".join(spoken)
    queue = RecognitionQueue(engine, lanes=1)
    recogniser = UtteranceRecogniser(queue)
    recognise = partial(recogniser.recognise, options=DecodeOptions(), timeout_s=60.0, name="u")
    for end_s in (6.0, 7.0, 8.0):
        queue.no_interim_before = 0.0
        await recognise(pcm[: 2 * int(end_s * RATE)], final=False)
    final = await recognise(pcm, final=True)
    queue.close()
    assert lengths[1] > 6.5
    assert lengths[2] < 6.5
    assert lengths[3] < len(pcm) / 2 / RATE - 3.0
    wrong = Levenshtein.distance(words(" ".join(SENTENCES * 2)), words(final.text))
    assert wrong <= 6, final.text


async def test_language_is_detected(engine: Engine, spoken: list[bytes]) -> None:
    assert engine.recognise(spoken[2], DecodeOptions(language=None)).language == "en"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Ich habe meine Hausaufgaben vergessen."),
        ("fr", "Comment calcule-t-on le gradient d'une fonction?"),
    ],
)
async def test_speech_in_another_language_gets_no_text_but_its_language(
    engine: Engine, language: str, text: str
) -> None:
    voice = EspeakTTS(voice=language)
    found = engine.recognise(await said(voice, text), DecodeOptions())
    await voice.aclose()
    assert (found.text, found.language, found.not_understood) == ("", language, True)


@pytest.mark.parametrize("text", ["yes", "stop", "why"])
async def test_short_answers_are_heard(engine: Engine, text: str) -> None:
    voice = EspeakTTS(voice="en-us")
    found = engine.recognise(await said(voice, text), DecodeOptions())
    await voice.aclose()
    assert words(found.text) == [text]


@pytest.mark.parametrize(
    "pcm",
    [
        noise(3.0, 1000),
        noise(29.0, 3000, seed=7),
        silence(0.5) + noise(0.29, 3000) + silence(0.5),
        (3000 * np.sin(np.arange(2 * RATE) * 0.05)).astype(np.int16).tobytes(),
    ],
    ids=["noise", "long noise", "burst", "hum"],
)
def test_noise_gives_no_text(engine: Engine, pcm: bytes) -> None:
    assert engine.recognise(pcm, DecodeOptions()).text == ""
