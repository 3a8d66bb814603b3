"""Voices of participants: interims, finals with correct times, recovery. The tutor's floor."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import inference, stt, vad

from agent.models.espeak import EspeakTTS
from agent.models.recogniser import Recogniser, RecogniserSTT
from agent.models.voice_activity import VoiceActivity
from agent.room.participant_voice import EARLY_EVERY_S, NO_WORDS, HeardUtterance, ParticipantVoice
from agent.talk.floor import Floor
from bench.sounds import make_sound
from harness.voices import trimmed
from speech.client import SpeechBusy, SpeechClient
from speech.wire import RATE, Recognition
from tests.agent.speech_parts import (
    FRAME_S,
    WAVS,
    frames,
    noise,
    recorded,
    running_engine,
    said,
    silence,
)

Speech = vad.VADEventType
BEGAN = 1_000_000.0  # epoch time of a voice's first sample in these tests
SHORT, LONG = "my-answer-is-three", "repeat-last-part"


class Recording:
    """A Listener that remembers."""

    def __init__(self) -> None:
        self.speech: list[tuple[str, vad.VADEvent]] = []
        self.utterances: asyncio.Queue[HeardUtterance] = asyncio.Queue()

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        self.speech.append((identity, event))

    def on_utterance(self, heard: HeardUtterance) -> None:
        self.utterances.put_nowait(heard)

    def wants_interims(self, identity: str) -> bool:
        return True

    def all(self, *kinds: str) -> list[HeardUtterance]:
        """The utterances of some kinds; `late` appears by chance on a busy machine."""
        utterances = [self.utterances.get_nowait() for _ in range(self.utterances.qsize())]
        return [heard for heard in utterances if heard.kind in kinds]


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
async def voice(client: SpeechClient, recording: Recording) -> AsyncIterator[ParticipantVoice]:
    voice = voice_of("l_amina", client, recording)
    yield voice
    await voice.aclose()


def voice_of(
    identity: str, recogniser: Recogniser, listener: Recording | Floor
) -> ParticipantVoice:
    numbers = count(1)
    return ParticipantVoice(
        identity, recogniser, listener, next_segment_id=lambda: f"{identity}-{next(numbers)}"
    )


async def speak(voice: ParticipantVoice, pcm: bytes, *, pace_s: float = 0.0) -> None:
    """Pushes a frame of 50 ms every `pace_s`; returns when all of it is recognised."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, frame in enumerate(frames(pcm)):
        await asyncio.sleep(max(0.0, began + number * pace_s - loop.time()))
        voice.push_frame(frame, BEGAN + number * FRAME_S)
    voice.end_speech()
    await voice.wait_until_recognised()


def onset(pcm: bytes) -> float:
    """When the sound begins, in seconds, by the first loud sample."""
    samples = memoryview(pcm).cast("h")
    return next(at for at, sample in enumerate(samples) if abs(sample) > 500) / RATE


async def test_phrases_in_real_time_get_finals_with_identity_and_correct_times(
    voice: ParticipantVoice, recording: Recording
) -> None:
    first, second, gap = recorded(LONG), recorded(SHORT), silence(0.8)
    await speak(voice, silence(1.0) + first + gap + second + gap, pace_s=FRAME_S)
    one, two = recording.all("final", "missed")
    assert [one.text, two.text] == [WAVS[LONG], WAVS[SHORT]]
    assert (one.identity, one.segment_id, two.segment_id) == ("l_amina", "l_amina-1", "l_amina-2")
    second_at = BEGAN + 1.0 + len(first) / RATE / 2 + 0.8
    assert one.started_at == pytest.approx(BEGAN + 1.0 + onset(first), abs=0.15)
    assert two.started_at == pytest.approx(second_at + onset(second), abs=0.15)
    assert one.ended_at < second_at - 0.5
    assert all((heard.confidence or 0) > 0.8 and heard.language == "en" for heard in (one, two))
    counts = Counter(kinds(recording))
    assert (counts[Speech.START_OF_SPEECH], counts[Speech.END_OF_SPEECH]) == (2, 2)


async def engine_idle(client: SpeechClient) -> None:
    """Returns when the engine takes interims again; it pauses between them."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(SpeechBusy):
                await client.recognise(silence(0.1), kind="interim")
                return
            await asyncio.sleep(0.05)


async def test_an_interim_comes_while_the_learner_still_speaks(
    client: SpeechClient, voice: ParticipantVoice, recording: Recording
) -> None:
    await engine_idle(client)
    spoken = frames(silence(0.5) + recorded(LONG) + silence(0.5))
    for number, frame in enumerate(spoken[:34]):  # 1.2 s of speech, and no pause yet
        voice.push_frame(frame, BEGAN + number * FRAME_S)
    async with asyncio.timeout(20):
        interim = await recording.utterances.get()
    assert interim.kind == "interim"
    assert interim.text.startswith("can you")
    for number, frame in enumerate(spoken[34:], 34):
        voice.push_frame(frame, BEGAN + number * FRAME_S)
    await voice.wait_until_recognised()
    (final,) = recording.all("final")
    assert (final.text, final.segment_id) == (WAVS[LONG], interim.segment_id)


async def test_a_voice_that_stops_in_mid_word_is_recognised_and_continues_with_new_sound(
    voice: ParticipantVoice, recording: Recording
) -> None:
    await speak(voice, recorded(SHORT))  # no silence after it: muted, replaced or left
    await speak(voice, recorded(LONG))
    assert [heard.text for heard in recording.all("final", "missed")] == [WAVS[SHORT], WAVS[LONG]]
    assert recording.speech[-1][1].type is Speech.END_OF_SPEECH


async def test_noise_gives_no_words(voice: ParticipantVoice, recording: Recording) -> None:
    await speak(voice, silence(1) + noise(5, 800) + silence(1))
    assert {heard.text for heard in recording.all("final", "missed")} <= {""}


async def test_endless_speech_is_cut_before_the_window_is_full(
    voice: ParticipantVoice, recording: Recording
) -> None:
    espeak = EspeakTTS()
    text = " ".join(["i do not understand the learning rate and the loss"] * 16)
    pcm = await said(espeak, text)
    await espeak.aclose()
    whole_s = len(pcm) / 2 / RATE
    assert whole_s > 30
    await speak(voice, pcm)
    first, second = recording.all("final", "missed")
    assert (first.continues, second.continues) == (True, False)
    assert 23.5 <= first.ended_at - first.started_at <= 29.1
    assert second.started_at == first.ended_at
    assert second.ended_at - first.started_at == pytest.approx(whole_s, abs=0.6)
    assert sum(event.type is Speech.END_OF_SPEECH for _, event in recording.speech) == 1


class Deaf:
    """A recogniser that never finds words."""

    asked = 0

    async def recognise(self, pcm: bytes, **_: Any) -> Recognition:
        self.asked += 1
        return NO_WORDS


@pytest.mark.parametrize(("kind", "seed"), [("knocks", 2), ("keys", 1), ("keys", 3)])
async def test_noise_that_the_detector_takes_for_speech_is_not_recognised(
    recording: Recording, kind: str, seed: int
) -> None:
    recogniser = Deaf()
    voice = voice_of("l_amina", recogniser, recording)
    await speak(voice, make_sound(kind, 4.0, seed, -20.0).tobytes() + silence(0.6))
    await voice.aclose()
    assert Speech.START_OF_SPEECH in [event.type for _, event in recording.speech]
    assert {heard.text for heard in recording.all("final")} == {""}
    assert recogniser.asked == 0


async def test_speech_that_is_not_understood_is_missed_with_its_language(
    recording: Recording,
) -> None:
    class Foreign(Deaf):
        async def recognise(self, pcm: bytes, **_: Any) -> Recognition:
            return Recognition("", "de", 0.0, 1.0, 0.1, not_understood=True)

    voice = voice_of("l_amina", Foreign(), recording)
    await speak(voice, recorded(SHORT) + silence(0.6))
    await voice.aclose()
    (heard,) = recording.all("final", "missed")
    assert (heard.kind, heard.text, heard.language) == ("missed", "", "de")


class FailingOnce(Recording):
    failed = False

    def on_utterance(self, heard: HeardUtterance) -> None:
        if heard.kind == "final" and not self.failed:
            self.failed = True
            raise RuntimeError
        super().on_utterance(heard)


async def test_error_in_one_utterance_does_not_end_the_hearing() -> None:
    recording = FailingOnce()
    voice = voice_of("l_amina", Deaf(), recording)
    for _ in range(2):
        await speak(voice, trimmed_phrase(SHORT) + silence(0.6))
    await voice.aclose()
    assert recording.failed
    assert len(recording.all("final")) == 1


class Slow:
    """A recogniser that answers when it may. `lengths_s` are of the sound it was given.

    It takes no interims.
    """

    def __init__(self) -> None:
        self.lengths_s: list[float] = []
        self.cancelled = 0
        self.may_answer = asyncio.Event()

    async def recognise(self, pcm: bytes, *, kind: str = "final", **_: Any) -> Recognition:
        if kind == "interim":
            raise SpeechBusy
        self.lengths_s.append(len(pcm) / 2 / RATE)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Recognition("yes", "en", 1.0, audio_s=0.0, decode_s=0.0)


async def push(voice: ParticipantVoice, pcm: bytes, began: float) -> float:
    """Pushes sound, with a turn of the loop after each frame. Returns when it ends."""
    for number, frame in enumerate(frames(pcm)):
        voice.push_frame(frame, began + number * FRAME_S)
        await asyncio.sleep(0)
    return began + len(pcm) / 2 / RATE


async def test_recognition_begins_before_the_end_of_speech_and_is_not_repeated(
    recording: Recording,
) -> None:
    slow = Slow()
    voice = voice_of("l_amina", slow, recording)
    pcm = trimmed_phrase(SHORT)
    at = await push(voice, silence(0.5) + pcm + silence(0.25), BEGAN)
    assert len(slow.lengths_s) == 1
    assert kinds(recording)[-1] is Speech.INFERENCE_DONE
    await push(voice, silence(0.5), at)
    assert Speech.END_OF_SPEECH in kinds(recording)
    slow.may_answer.set()
    await voice.wait_until_recognised()
    await voice.aclose()
    assert [heard.text for heard in recording.all("final", "missed")] == ["yes"]
    assert len(slow.lengths_s) == 1


async def test_early_recognition_is_cancelled_when_the_speech_goes_on(
    recording: Recording,
) -> None:
    slow = Slow()
    voice = voice_of("l_amina", slow, recording)
    pcm = trimmed_phrase(SHORT)
    at = await push(voice, silence(0.5) + pcm + silence(0.2) + pcm, BEGAN)
    assert (len(slow.lengths_s), slow.cancelled) == (1, 1)
    await push(voice, silence(0.5), at)
    slow.may_answer.set()
    await voice.wait_until_recognised()
    await voice.aclose()
    (final,) = recording.all("final", "missed")
    assert final.ended_at - final.started_at > 2 * len(pcm) / 2 / RATE - 0.5
    assert slow.lengths_s[-1] > slow.lengths_s[0] + len(pcm) / 2 / RATE - 0.1


async def test_gaps_in_noise_do_not_start_one_recognition_after_another(
    recording: Recording,
) -> None:
    slow = Slow()
    voice = voice_of("l_amina", slow, recording)
    word = trimmed_phrase(SHORT)[: 2 * RATE // 4]
    slow.may_answer.set()
    await push(voice, silence(0.5) + (word + silence(0.2)) * 10, BEGAN)
    await voice.wait_until_recognised()
    await voice.aclose()
    ends = kinds(recording).count(Speech.END_OF_SPEECH)
    assert len(slow.lengths_s) - ends <= 4.5 / EARLY_EVERY_S


def kinds(recording: Recording) -> list[vad.VADEventType]:
    return [event.type for _, event in recording.speech]


def trimmed_phrase(name: str) -> bytes:
    return bytes(trimmed(np.frombuffer(recorded(name), np.int16)))


async def test_an_utterance_that_is_split_in_mid_speech_gets_two_finals(
    recording: Recording,
) -> None:
    voice = voice_of("l_amina", Deaf(), recording)
    for number, frame in enumerate(frames(silence(0.5) + recorded(LONG) + silence(0.5))):
        voice.push_frame(frame, BEGAN + number * FRAME_S)
        if number == 33:  # 1.2 s of speech, and no pause yet
            voice.split_utterance()
    await voice.wait_until_recognised()
    await voice.aclose()
    first, second = recording.all("final")
    assert (first.continues, second.continues) == (False, False)
    assert first.segment_id != second.segment_id
    assert second.started_at == first.ended_at


async def test_without_an_engine_utterances_are_late_then_missed_and_the_voice_goes_on(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.room.participant_voice.TIMEOUT_S", 0.5)
    monkeypatch.setattr("agent.room.participant_voice.LATE_S", 0.1)
    voice = voice_of("l_amina", SpeechClient(tmp_path / "none.sock"), recording)
    for _ in range(2):
        await speak(voice, recorded(SHORT) + silence(0.6))
    await voice.aclose()
    told = [recording.utterances.get_nowait() for _ in range(recording.utterances.qsize())]
    assert [(heard.kind, heard.segment_id, heard.text) for heard in told] == [
        ("late", "l_amina-1", ""),
        ("missed", "l_amina-1", ""),
        ("late", "l_amina-2", ""),
        ("missed", "l_amina-2", ""),
    ]


async def test_the_next_phrase_is_recognised_after_the_engine_was_killed(
    tmp_path: Path, recording: Recording
) -> None:
    async with running_engine(tmp_path) as engine:
        client = SpeechClient(engine.address)
        voice = voice_of("l_amina", client, recording)
        first = asyncio.create_task(speak(voice, recorded(SHORT)))
        await engine.end()
        await engine.start()
        await first
        await speak(voice, recorded(LONG))
        await voice.aclose()
        await client.aclose()
    assert [heard.text for heard in recording.all("final", "missed")] == [WAVS[SHORT], WAVS[LONG]]


async def test_voices_at_once_are_recognised_each_under_its_own_identity(
    client: SpeechClient, recording: Recording
) -> None:
    phrases = {"l_amina": LONG, "l_tomas": SHORT}
    voices = {identity: voice_of(identity, client, recording) for identity in phrases}
    await asyncio.gather(
        *(speak(voices[identity], recorded(phrase)) for identity, phrase in phrases.items())
    )
    await asyncio.gather(*(voice.aclose() for voice in voices.values()))
    assert {heard.identity: heard.text for heard in recording.all("final", "missed")} == {
        identity: WAVS[phrase] for identity, phrase in phrases.items()
    }


async def test_floor_follows_the_first_speaker_until_the_last_one_stops() -> None:
    floor = Floor(lambda _identity: None)
    stream = floor.stream()
    for identity, kind in (
        ("amina", Speech.START_OF_SPEECH),
        ("tomas", Speech.START_OF_SPEECH),
        ("amina", Speech.INFERENCE_DONE),
        ("tomas", Speech.INFERENCE_DONE),  # does not have the floor
        ("amina", Speech.END_OF_SPEECH),
        ("tomas", Speech.INFERENCE_DONE),
        ("tomas", Speech.END_OF_SPEECH),
    ):
        floor.on_speech(identity, vad.VADEvent(kind, 0, 0.0, 0.0, 0.0))
    stream.end_input()
    assert [event.type for event in [event async for event in stream]] == [
        Speech.START_OF_SPEECH,
        Speech.INFERENCE_DONE,
        Speech.INFERENCE_DONE,
        Speech.END_OF_SPEECH,
    ]


def heard(identity: str, kind: str = "final") -> HeardUtterance:
    return HeardUtterance(kind, identity, f"{identity}-1", BEGAN, BEGAN + 1, text="yes")  # type: ignore[arg-type]


async def test_floor_is_quiet_when_all_speech_is_recognised_and_taken() -> None:
    floor = Floor(lambda _identity: None)
    utterances = floor.utterances()
    for identity in ("amina", "tomas"):
        floor.on_speech(identity, vad.VADEvent(Speech.START_OF_SPEECH, 0, 0.0, 0.0, 0.0))
    floor.on_speech("amina", vad.VADEvent(Speech.END_OF_SPEECH, 0, 0.0, 0.0, 0.0))
    floor.on_utterance(heard("amina"))
    assert (await anext(utterances)).identity == "amina"
    quiet = [floor.is_quiet]
    floor.on_speech("tomas", vad.VADEvent(Speech.END_OF_SPEECH, 0, 0.0, 0.0, 0.0))
    floor.on_utterance(heard("tomas"))
    quiet.append(floor.is_quiet)
    assert (await anext(utterances)).identity == "tomas"
    assert [*quiet, floor.is_quiet] == [False, False, True]
    taken = asyncio.create_task(floor.wait_until_taken())
    await asyncio.sleep(0)
    assert not taken.done()
    await utterances.aclose()
    await taken


async def test_nobody_is_asked_to_wait_while_another_speaks_or_after_the_goodbye() -> None:
    floor = Floor(lambda _identity: None)
    floor.on_speech("tomas", vad.VADEvent(Speech.START_OF_SPEECH, 0, 0.0, 0.0, 0.0))
    floor.on_utterance(heard("amina", "late"))
    floor.on_speech("tomas", vad.VADEvent(Speech.END_OF_SPEECH, 0, 0.0, 0.0, 0.0))
    floor.on_utterance(heard("tomas"))
    floor.drop_late_utterances()
    floor.on_utterance(heard("amina", "late"))
    floor.on_utterance(heard("amina", "missed"))
    utterances = floor.utterances()
    assert [(await anext(utterances)).kind for _ in range(2)] == ["final", "missed"]
    await utterances.aclose()


async def test_console_session_splits_and_recognises_sound_at_its_own_rate(
    client: SpeechClient,
) -> None:
    resampler = rtc.AudioResampler(RATE, 24_000)
    adapter = stt.StreamAdapter(
        stt=RecogniserSTT(client, model="whisper"), vad=inference.VAD(model="silero")
    )
    stream = adapter.stream()
    for frame in frames(silence(0.5) + recorded(LONG) + silence(1.0)):
        for part in resampler.push(frame):
            stream.push_frame(part)
    stream.end_input()
    finals = [
        event.alternatives[0].text
        async for event in stream
        if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT
    ]
    await stream.aclose()
    await adapter.aclose()
    assert finals == [WAVS[LONG]]


def test_voice_activity_has_the_events_of_livekits_own_detector() -> None:
    activity = VoiceActivity()
    sound = frames(silence(0.5) + recorded(LONG) + silence(0.5))
    events = [event for frame in sound for event in activity.push_frame(frame)]
    changes = [event for event in events if event.type is not Speech.INFERENCE_DONE]
    assert [event.type for event in changes] == [Speech.START_OF_SPEECH, Speech.END_OF_SPEECH]
    assert changes[1].silence_duration == pytest.approx(0.25, abs=0.033)
    assert changes[1].frames[0].duration == pytest.approx(
        changes[1].speech_duration + 0.75, abs=0.1
    )
    assert activity.end_speech() == []
