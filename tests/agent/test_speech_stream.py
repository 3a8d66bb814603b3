"""The recogniser as livekit sees it: captions, finals with true times, errors that heal."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit.agents import stt, vad

from agent.models.espeak import EspeakTTS
from agent.models.inline_vad import InlineVAD, SpeechDetector
from agent.models.whisper import LATE, MISSED, WhisperSTT
from speech.client import SpeechClient
from speech.wire import RATE
from tests.agent.speech_parts import (
    FRAME_S,
    WAVS,
    EngineProcess,
    frames,
    noise,
    recorded,
    running_engine,
    said,
    silence,
)

Kind = stt.SpeechEventType


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EngineProcess]:
    async with running_engine(tmp_path_factory.mktemp("speech")) as process:
        yield process


@pytest.fixture
async def recogniser(engine: EngineProcess) -> AsyncIterator[WhisperSTT]:
    client = SpeechClient(engine.address)
    yield WhisperSTT(client, InlineVAD())
    await client.aclose()


async def heard(stream: stt.RecognizeStream, pcm: bytes, *, pace_s: float) -> list[stt.SpeechEvent]:
    """All events of a stream fed with PCM, a frame of 50 ms every `pace_s`."""

    async def feed() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, frame in enumerate(frames(pcm)):
            await asyncio.sleep(max(0.0, began + number * pace_s - loop.time()))
            stream.push_frame(frame)
        stream.end_input()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed())
        events = [event async for event in stream]
    await stream.aclose()
    return events


def only(events: list[stt.SpeechEvent], kind: Kind) -> list[stt.SpeechData]:
    return [
        event.alternatives[0]
        for event in events
        if event.type is kind and event.request_id != LATE  # as it comes on a busy machine
    ]


async def test_phrases_in_real_time_end_with_true_times(
    recogniser: WhisperSTT,
) -> None:
    first, second = recorded("repeat-last-part"), recorded("my-answer-is-three")
    gap = silence(0.8)
    pcm = silence(1.0) + first + gap + second + gap
    events = await heard(recogniser.stream(), pcm, pace_s=FRAME_S)
    finals = only(events, Kind.FINAL_TRANSCRIPT)
    assert [final.text for final in finals] == [
        WAVS["repeat-last-part"],
        WAVS["my-answer-is-three"],
    ]
    second_at = 1.0 + len(first) / RATE / 2 + 0.8
    assert finals[0].start_time == pytest.approx(1.0 + onset(first), abs=0.15)
    assert finals[1].start_time == pytest.approx(second_at + onset(second), abs=0.15)
    assert finals[0].end_time < second_at - 0.5
    assert all(final.confidence > 0.8 and final.language == "en" for final in finals)
    counts = Counter(event.type for event in events)
    assert (counts[Kind.START_OF_SPEECH], counts[Kind.END_OF_SPEECH]) == (2, 2)
    assert counts[Kind.RECOGNITION_USAGE] == 2


async def test_a_caption_comes_while_the_learner_still_speaks(recogniser: WhisperSTT) -> None:
    stream = recogniser.stream()
    spoken = frames(silence(0.5) + recorded("repeat-last-part") + silence(0.5))
    for frame in spoken[:34]:  # 1.2 s of speech, and no pause yet
        stream.push_frame(frame)
    async with asyncio.timeout(20):
        begun = [await anext(stream), await anext(stream)]
    assert [event.type for event in begun] == [Kind.START_OF_SPEECH, Kind.INTERIM_TRANSCRIPT]
    assert begun[1].alternatives[0].text.startswith("can you")
    for frame in spoken[34:]:
        stream.push_frame(frame)
    stream.end_input()
    (final,) = only([event async for event in stream], Kind.FINAL_TRANSCRIPT)
    await stream.aclose()
    assert final.text == WAVS["repeat-last-part"]


def onset(pcm: bytes) -> float:
    """When the sound begins, in seconds, by the first loud sample."""
    samples = memoryview(pcm).cast("h")
    return next(at for at, sample in enumerate(samples) if abs(sample) > 500) / RATE


async def test_times_count_from_the_offset_of_the_stream(recogniser: WhisperSTT) -> None:
    stream = recogniser.stream()
    stream.start_time_offset = 100.0
    events = await heard(stream, recorded("my-answer-is-three") + silence(0.5), pace_s=0)
    (final,) = only(events, Kind.FINAL_TRANSCRIPT)
    assert 100.0 <= final.start_time < final.end_time < 103.0


async def test_noise_is_no_final(recogniser: WhisperSTT) -> None:
    events = await heard(recogniser.stream(), silence(1) + noise(5, 800) + silence(1), pace_s=0)
    assert only(events, Kind.FINAL_TRANSCRIPT) == []


async def test_endless_speech_is_cut_before_the_window_is_full(recogniser: WhisperSTT) -> None:
    voice = EspeakTTS()
    text = " ".join(["i do not understand the learning rate and the loss"] * 16)
    pcm = await said(voice, text)
    await voice.aclose()
    assert len(pcm) / 2 / RATE > 30
    events = await heard(recogniser.stream(), pcm, pace_s=0)
    parts = [event.recognition_usage for event in events if event.recognition_usage]
    assert len(parts) == 2
    assert 24.0 <= parts[0].audio_duration <= 29.1
    assert sum(part.audio_duration for part in parts) == pytest.approx(len(pcm) / 2 / RATE, abs=0.6)
    assert sum(event.type is Kind.END_OF_SPEECH for event in events) == 1


async def test_without_an_engine_an_utterance_is_lost_but_not_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.models.whisper.TIMEOUT_S", 0.5)
    monkeypatch.setattr("agent.models.whisper.LATE_S", 0.1)
    recogniser = WhisperSTT(SpeechClient(tmp_path / "none.sock"), InlineVAD())
    phrase = recorded("my-answer-is-three") + silence(0.6)
    events = await heard(recogniser.stream(), phrase * 2, pace_s=0)
    assert [one.text for one in only(events, Kind.FINAL_TRANSCRIPT)] == ["", ""]
    marks = [event for event in events if event.request_id in (LATE, MISSED)]
    assert [event.request_id for event in marks] == [LATE, MISSED] * 2
    assert {event.type for event in marks} == {Kind.FINAL_TRANSCRIPT}
    assert sum(event.type is Kind.END_OF_SPEECH for event in events) == 2


async def test_the_next_phrase_is_heard_after_the_engine_was_killed(tmp_path: Path) -> None:
    async with running_engine(tmp_path) as engine:
        client = SpeechClient(engine.address)
        stream = WhisperSTT(client, InlineVAD()).stream()
        events = asyncio.create_task(collect(stream))
        for frame in frames(recorded("my-answer-is-three") + silence(0.5)):
            stream.push_frame(frame)
        await engine.end()
        await engine.start()
        for frame in frames(recorded("repeat-last-part") + silence(0.5)):
            stream.push_frame(frame)
        stream.end_input()
        finals = only(await events, Kind.FINAL_TRANSCRIPT)
        await stream.aclose()
        await client.aclose()
    assert [final.text for final in finals] == [
        WAVS["my-answer-is-three"],
        WAVS["repeat-last-part"],
    ]


async def collect(stream: stt.RecognizeStream) -> list[stt.SpeechEvent]:
    return [event async for event in stream]


async def test_a_whole_recording_is_recognised_at_once(recogniser: WhisperSTT) -> None:
    event = await recogniser.recognize(frames(recorded("repeat-last-part")))
    assert event.alternatives[0].text == WAVS["repeat-last-part"]


def test_the_detector_tells_start_and_end_and_keeps_what_led_to_it() -> None:
    detector = SpeechDetector()
    pcm = silence(1.0) + recorded("my-answer-is-three") + silence(0.6)
    changes = []
    for number, frame in enumerate(frames(pcm)):
        if change := detector.push(frame):
            changes.append((change, round(number * FRAME_S, 2), detector.speaking))
            if change == "start":
                prefix = detector.prefix()
    (start, start_s, speaking), (end, end_s, still) = changes
    assert (start, speaking, end, still) == ("start", True, "end", False)
    assert start_s == pytest.approx(1.0 + onset(recorded("my-answer-is-three")), abs=0.25)
    assert 0.5 < len(prefix) / 2 / RATE < 0.7
    assert end_s < len(pcm) / 2 / RATE


async def test_inline_detector_has_the_events_of_a_voice_activity_stream() -> None:
    stream = InlineVAD().stream()
    for frame in frames(silence(0.5) + recorded("repeat-last-part") + silence(0.5)):
        stream.push_frame(frame)
    stream.end_input()
    events = [event async for event in stream]
    changes = [event for event in events if event.type is not vad.VADEventType.INFERENCE_DONE]
    assert [event.type for event in changes] == [
        vad.VADEventType.START_OF_SPEECH,
        vad.VADEventType.END_OF_SPEECH,
    ]
    assert changes[1].silence_duration == pytest.approx(0.25, abs=0.033)
    assert changes[1].frames[0].duration == pytest.approx(
        changes[1].speech_duration + 0.75, abs=0.1
    )
