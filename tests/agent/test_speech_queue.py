"""The engine's queue: batches, finals before interims, and what is given up."""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from queue import SimpleQueue

import pytest

from speech.engine import DecodeOptions, Engine, Utterance
from speech.known_utterances import MAX_KNOWN, KnownUtterances, UtteranceRecogniser
from speech.models import TEST_MODEL_FOLDER
from speech.queue import MAX_BATCH, MAX_WAITING, EngineBusy, Overloaded, RecognitionQueue
from speech.wire import Recognition
from tests.agent.speech_parts import WAVS, recorded, silence

PHRASE = "my-answer-is-three"
TEXT = WAVS[PHRASE]
NO_LANGUAGE = "no language"


class HeldEngine(Engine):
    """Begins no decode before `go` is set, and notes the size of each batch.

    Raises ValueError for a language that does not exist, as multilingual models do.
    """

    def __init__(self) -> None:
        super().__init__(TEST_MODEL_FOLDER, workers=2, whole_windows=True)
        self.go = threading.Event()
        self.batches: list[int] = []
        self.received: SimpleQueue[int] = SimpleQueue()

    def recognise_batch(
        self, utterances: Sequence[Utterance], is_unwanted: Callable[[], bool] = lambda: False
    ) -> list[Recognition]:
        self.batches.append(len(utterances))
        self.received.put(len(utterances))
        assert self.go.wait(30)
        if any(one.options.language == NO_LANGUAGE for one in utterances):
            raise ValueError(NO_LANGUAGE)
        return super().recognise_batch(utterances, is_unwanted)


@pytest.fixture(scope="module")
def loaded() -> HeldEngine:
    return HeldEngine()


@pytest.fixture
def engine(loaded: HeldEngine) -> HeldEngine:
    loaded.go.clear()
    loaded.batches.clear()
    loaded.received = SimpleQueue()
    return loaded


@pytest.fixture
async def queue(engine: HeldEngine) -> AsyncIterator[RecognitionQueue]:
    queue = RecognitionQueue(engine, lanes=1)
    yield queue
    engine.go.set()
    queue.close()


def ask(
    queue: RecognitionQueue,
    pcm: bytes = b"",
    *,
    language: str = "en",
    final: bool = True,
    timeout_s: float = 30.0,
) -> asyncio.Task[Recognition]:
    pcm = pcm or recorded(PHRASE)
    return asyncio.create_task(
        queue.recognise(pcm, DecodeOptions(language), final=final, timeout_s=timeout_s)
    )


async def next_batch(engine: HeldEngine) -> None:
    """Returns when the engine has received one more batch."""
    await asyncio.to_thread(engine.received.get, timeout=20)


async def test_finals_that_wait_are_decoded_together_and_each_gets_its_own_text(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    asked = [ask(queue, recorded(name)) for name in (PHRASE, *WAVS)]
    await next_batch(engine)
    engine.go.set()
    assert [(await one).text for one in asked] == [TEXT, *WAVS.values()]
    assert engine.batches == [1, len(WAVS)]


async def test_request_that_cannot_be_decoded_fails_alone(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    first = ask(queue)
    await next_batch(engine)
    asked = [ask(queue, language=language) for language in ("en", NO_LANGUAGE, "en")]
    await asyncio.sleep(0)
    engine.go.set()
    assert (await first).text == TEXT
    one, bad, other = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(bad, ValueError)
    assert [isinstance(found, Recognition) and found.text for found in (one, other)] == [TEXT, TEXT]
    assert engine.batches == [1, 3, 1, 1, 1]
    assert (await ask(queue)).text == TEXT


async def test_batch_is_never_larger_than_its_limit(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    asked = [ask(queue) for _ in range(MAX_BATCH + 2)]
    await next_batch(engine)
    engine.go.set()
    assert {(await one).text for one in asked} == {TEXT}
    assert engine.batches == [1, MAX_BATCH, 1]


async def test_interim_ends_when_a_final_comes(engine: HeldEngine, queue: RecognitionQueue) -> None:
    interim = ask(queue, final=False)
    await next_batch(engine)
    final = ask(queue)
    await next_batch(engine)  # it does not wait for the interim
    engine.go.set()
    assert (await final).text == TEXT
    with pytest.raises(EngineBusy):
        await interim
    assert queue.thrown_away == 1


async def test_interim_is_refused_while_a_final_is_decoded(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    final = ask(queue)
    await next_batch(engine)
    with pytest.raises(EngineBusy):
        await ask(queue, final=False)
    engine.go.set()
    assert (await final).text == TEXT


async def test_cancelled_requests_are_dropped_if_they_wait_and_else_thrown_away(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    asked = [ask(queue) for _ in range(3)]
    await next_batch(engine)
    asked[0].cancel()
    asked[1].cancel()
    await asyncio.gather(*asked[:2], return_exceptions=True)
    assert queue.unfinished == 2
    engine.go.set()
    assert (await asked[2]).text == TEXT
    assert (queue.thrown_away, engine.batches, queue.unfinished) == (1, [1, 1], 0)


async def test_final_that_would_come_too_late_is_refused_at_once(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    first = ask(queue)
    await next_batch(engine)
    queue.decode_s = 5.0
    with pytest.raises(Overloaded):
        await ask(queue, timeout_s=9.0)
    patient = ask(queue, timeout_s=11.0)
    engine.go.set()
    assert [(await one).text for one in (first, patient)] == [TEXT, TEXT]
    assert (queue.refused, engine.batches) == (1, [1, 1])


async def test_queue_is_bounded(engine: HeldEngine, queue: RecognitionQueue) -> None:
    first = ask(queue)
    await next_batch(engine)
    waiting = [ask(queue) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await ask(queue)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    engine.go.set()
    assert (await first).text == TEXT
    assert engine.batches == [1]


async def test_final_that_runs_out_of_time_is_a_timeout(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    first = ask(queue)
    await next_batch(engine)
    with pytest.raises(TimeoutError):
        await ask(queue, timeout_s=0.05)
    engine.go.set()
    assert (await first).text == TEXT


async def test_silence_is_answered_at_once_while_the_engine_is_busy(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    first = ask(queue)
    await next_batch(engine)
    assert (await ask(queue, silence(2.0))).text == ""
    engine.go.set()
    assert (await first).text == TEXT


async def test_sound_is_not_decoded_again_when_only_silence_came_after_it(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    engine.go.set()
    recogniser = UtteranceRecogniser(queue)
    recognise = partial(recogniser.recognise, options=DecodeOptions(), timeout_s=30.0, name="u1")
    said = recorded(PHRASE)
    first = await recognise(said + silence(0.3), final=True)
    again = await recognise(said + silence(0.8), final=True)
    assert (first.text, again.text) == (TEXT, TEXT)
    assert engine.batches == [1]
    more = await recognise(said + silence(0.8) + recorded("what-is-gradient-descent"), final=True)
    assert more.text != TEXT
    assert engine.batches == [1, 1]


async def test_sound_of_another_utterance_or_with_other_options_is_decoded(
    engine: HeldEngine, queue: RecognitionQueue
) -> None:
    engine.go.set()
    recogniser = UtteranceRecogniser(queue)
    pcm = recorded(PHRASE) + silence(0.3)
    for name, options in (
        ("u1", DecodeOptions()),
        ("u2", DecodeOptions()),
        ("u2", DecodeOptions(words=True)),
        ("", DecodeOptions()),
    ):
        found = await recogniser.recognise(pcm, options, final=True, timeout_s=30.0, name=name)
        assert found.text == TEXT
    assert engine.batches == [1, 1, 1, 1]


async def test_utterances_are_forgotten_without_another_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("speech.known_utterances.FORGET_S", 0.05)
    known = KnownUtterances()
    known.find_or_add("first")
    last_forgotten = asyncio.Event()
    weakref.finalize(known.find_or_add("last"), last_forgotten.set)
    assert len(known) == 2
    await asyncio.wait_for(last_forgotten.wait(), 20)
    assert len(known) == 0


async def test_utterance_that_is_used_is_kept_and_their_number_is_bounded() -> None:
    known = KnownUtterances()
    first = known.find_or_add("first")
    for number in range(2 * MAX_KNOWN):
        known.find_or_add(f"u{number}")
        assert known.find_or_add("first") is first
    assert len(known) == MAX_KNOWN
