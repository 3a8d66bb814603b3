"""What one participant can do to the others, over a real media server: little, and limited."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import numpy as np
import pytest
from livekit import api, rtc

import protocol
from agent.room.early_audio import MAX_S, TOPIC, EarlyAudio
from agent.room.events import Joined, Left, Receivers, RoomEvents
from agent.room.learner import News
from agent.room.lessons import Lessons, RefusedError
from agent.room.limits import Limits
from agent.room.microphones import Microphones
from agent.room.open_streams import AT_ONCE
from agent.room.participant_voice import NO_WORDS
from agent.room.rates import RATES
from agent.room.typed_turns import MAX_TYPED_BYTES, TypedTurn
from agent.talk.floor import Floor
from harness.livekit import MediaServer, running_livekit
from settings import Settings, fill_in_and_create_secrets
from speech.wire import Recognition
from tests.agent.waiting import until

AGENT, AMINA, MALLORY = "a_1", "l_amina", "l_mallory"
RATE = 16_000
FOREIGN = uuid4()


@dataclass
class Recorded:
    """Everything that reaches the tutor; refuses the lesson FOREIGN."""

    typed: list[TypedTurn] = field(default_factory=list)
    changes: list[tuple[str, UUID]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    async def learner_joined(self, joined: Joined) -> None: ...

    async def learner_left(self, left: Left) -> None: ...

    async def apply_news(self, news: News) -> None: ...

    async def answer_typed_turn(self, typed: TypedTurn) -> None:
        self.typed.append(typed)

    async def handle_lesson_change(self, identity: str, change: protocol.LessonChange) -> int:
        if change.lesson_id == FOREIGN:
            raise RefusedError("that lesson is not in this module")
        self.changes.append((identity, change.lesson_id))
        return len(self.changes)

    def stop_speech_to(self, identity: str) -> None:
        self.stopped.append(identity)

    def set_rate_of_learner(self, identity: str, wanted: protocol.SpeechSet) -> None: ...

    def set_activity(self, identity: str, wanted: protocol.ActivitySet) -> None: ...

    def note_waiting(self, identity: str) -> None:
        self.waiting.append(identity)

    def note_left(self, identity: str) -> None: ...


@dataclass
class Classroom:
    """The agent's side of a room, and two learners in it."""

    agent: rtc.Room
    amina: rtc.Room
    mallory: rtc.Room
    limits: Limits
    early: EarlyAudio
    events: RoomEvents
    recorded: Recorded
    messages: list[dict[str, Any]] = field(default_factory=list)  # to Mallory
    writers: list[rtc.TextStreamWriter] = field(default_factory=list)

    def refused(self) -> list[dict[str, Any]]:
        return [one for one in self.messages if "kind" in one]

    async def publish_sound(self, source: Any) -> rtc.LocalTrackPublication:
        track = rtc.LocalAudioTrack.create_audio_track("sound", rtc.AudioSource(RATE, 1))
        options = rtc.TrackPublishOptions(source=source)
        return await self.mallory.local_participant.publish_track(track, options)

    def received(self) -> list[str]:
        """The tracks of Mallory that the agent receives."""
        mallory = self.agent.remote_participants[MALLORY]
        return [sid for sid, one in mallory.track_publications.items() if one.subscribed]

    async def type(self, text: str) -> str:
        sent = await self.mallory.local_participant.send_text(text, topic="lk.chat")
        return sent.stream_id

    async def open_stream(self) -> rtc.TextStreamWriter:
        writer = await self.mallory.local_participant.stream_text(topic="lk.chat")
        await writer.write("unfinished")
        self.writers.append(writer)  # a writer that is freed ends its stream
        return writer

    async def ask_for(self, lesson_id: UUID) -> None:
        text = json.dumps({"type": "lesson.change", "lessonId": str(lesson_id)})
        await self.mallory.local_participant.publish_data(text, topic="lesson.change")

    async def call(self, method: str, **payload: str) -> str:
        return await self.mallory.local_participant.perform_rpc(
            destination_identity=AGENT, method=method, payload=json.dumps(payload)
        )

    async def send_early_audio(
        self, sender: rtc.Room, track: str, pcm: bytes, rate: int = RATE
    ) -> None:
        writer = await sender.local_participant.stream_bytes(
            name="early",
            topic=TOPIC,
            attributes={"trackId": track, "sampleRate": str(rate), "channels": "1"},
            mime_type="audio/pcm",
        )
        with contextlib.suppress(rtc.StreamError):
            await writer.write(pcm)
            await writer.aclose()


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = Settings(_env_file=None, bodh_home=tmp_path_factory.mktemp("media"))
    with running_livekit(fill_in_and_create_secrets(settings)) as server:
        yield server


async def enter(media: MediaServer, name: str, identity: str, room: rtc.Room) -> None:
    grants = api.VideoGrants(room_join=True, room=name, agent=identity == AGENT)
    token = api.AccessToken(media.api_key, media.api_secret)
    token = token.with_identity(identity).with_grants(grants)
    await room.connect(f"ws://127.0.0.1:{media.port}", token.to_jwt())


@pytest.fixture
async def classroom(
    media: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Classroom]:
    monkeypatch.setattr("agent.room.early_audio.WAIT_S", 20.0)  # for a busy machine
    agent, amina, mallory = rtc.Room(), rtc.Room(), rtc.Room()
    name, recorded, limits = uuid4().hex, Recorded(), Limits(agent)
    events, early = RoomEvents(agent, limits, recorded), EarlyAudio(agent, limits.rates)
    room = Classroom(agent, amina, mallory, limits, early, events, recorded)
    mallory.on("data_received", lambda packet: room.messages.append(json.loads(packet.data)))
    url = f"http://127.0.0.1:{media.port}"
    async with api.LiveKitAPI(url, media.api_key, media.api_secret) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=name))
    # the server reports learners who publish nothing only every 3 s to those already in the room
    await enter(media, name, AMINA, amina)
    await enter(media, name, MALLORY, mallory)
    await enter(media, name, AGENT, agent)
    receivers = Receivers(
        people=recorded,
        lessons=cast(Lessons, recorded),
        turns=recorded,
        voice=recorded,
        activity=recorded,
    )
    running = asyncio.create_task(events.run(receivers))
    await until(lambda: {AMINA, MALLORY} <= set(agent.remote_participants), "both in the room")
    yield room
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await asyncio.gather(early.aclose(), limits.close())
    await asyncio.gather(*(one.disconnect() for one in (mallory, amina, agent)))


async def test_early_audio_counts_only_from_the_owner_of_the_track(classroom: Classroom) -> None:
    forged, own = (np.full(RATE, level, np.int16).tobytes() for level in (1, 2))
    heard = asyncio.create_task(classroom.early.wait_for_frames(AMINA, "TR_1"))
    kept = asyncio.create_task(classroom.early.wait_for_frames(MALLORY, "TR_1"))
    await classroom.send_early_audio(classroom.mallory, "TR_1", forged)
    await kept
    await classroom.send_early_audio(classroom.amina, "TR_1", own)
    frames = await heard
    assert {sample for frame in frames for sample in frame.data} == {2}
    assert sum(frame.duration for frame in frames) == pytest.approx(1.0)


async def test_early_audio_may_arrive_before_its_track_and_is_used_once(
    classroom: Classroom,
) -> None:
    await classroom.send_early_audio(classroom.amina, "TR_1", bytes(2 * RATE))
    await classroom.amina.local_participant.send_text("sent after the audio", topic="lk.chat")
    await until(lambda: classroom.recorded.typed, "the turn")
    assert await classroom.early.wait_for_frames(AMINA, "TR_1")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(classroom.early.wait_for_frames(AMINA, "TR_1"), 0.2)


@pytest.mark.parametrize(("seconds", "rate"), [(MAX_S + 2, RATE), (1, 1), (1, 10**9)])
async def test_early_audio_that_is_too_long_or_of_no_use_is_dropped(
    classroom: Classroom, seconds: float, rate: int
) -> None:
    pcm = bytes(round(2 * RATE * seconds))
    dropped = asyncio.create_task(classroom.early.wait_for_frames(MALLORY, "TR_1"))
    kept = asyncio.create_task(classroom.early.wait_for_frames(MALLORY, "TR_2"))
    await classroom.send_early_audio(classroom.mallory, "TR_1", pcm, rate)
    await classroom.send_early_audio(classroom.mallory, "TR_2", bytes(2 * RATE))
    assert await kept
    assert not dropped.done()
    dropped.cancel()


async def test_no_more_early_audio_is_decoded_than_a_page_sends(classroom: Classroom) -> None:
    burst = RATES["early_audio"].burst
    tracks = [f"TR_{number}" for number in range(burst + 1)]
    waiting = [
        asyncio.create_task(classroom.early.wait_for_frames(MALLORY, track)) for track in tracks
    ]
    for track in tracks:
        await classroom.send_early_audio(classroom.mallory, track, bytes(2 * RATE))
    await classroom.type("sent after the audio")
    assert all(await asyncio.gather(*waiting[:-1]))
    await until(lambda: classroom.recorded.typed, "the turn")
    assert not waiting[-1].done()
    waiting[-1].cancel()


async def test_too_many_typed_turns_are_refused_with_their_id(classroom: Classroom) -> None:
    for number in range(RATES["turn"].burst):  # one by one: few streams may be open at once
        await classroom.type(f"turn {number}")
        await until(lambda: len(classroom.recorded.typed) > number, "the turn")  # noqa: B023 awaited
    sent = [await classroom.type("one too many") for _ in range(5)]
    await until(classroom.refused, "a refusal")
    typed = [one.text for one in classroom.recorded.typed]
    assert typed[: RATES["turn"].burst] == [f"turn {n}" for n in range(RATES["turn"].burst)]
    refused = classroom.refused()[0]
    assert refused["kind"] == "turn"
    assert refused["streamId"] in sent
    assert classroom.recorded.waiting == [MALLORY] * len(typed)


async def test_a_turn_that_is_too_long_is_refused(classroom: Classroom) -> None:
    await classroom.type("x" * (MAX_TYPED_BYTES + 1))
    await until(classroom.refused, "a refusal")
    await classroom.type("short")
    await until(lambda: classroom.recorded.typed, "the next turn")
    assert [one.text for one in classroom.recorded.typed] == ["short"]


async def test_few_streams_of_one_sender_are_open_at_once(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.room.open_streams.TIMEOUT_S", 600.0)
    writers = [await classroom.open_stream() for _ in range(AT_ONCE + 20)]
    await until(classroom.refused, "a refusal")
    await classroom.amina.local_participant.send_text("still heard", topic="lk.chat")
    await until(lambda: classroom.recorded.typed, "the turn of somebody else")
    for writer in writers:
        await writer.aclose()
    await until(lambda: len(classroom.recorded.typed) > AT_ONCE, "the turns that were open")
    await classroom.type("last")
    await until(lambda: classroom.recorded.typed[-1].text == "last", "the next turn")
    typed = [one.text for one in classroom.recorded.typed if one.identity == MALLORY]
    assert typed == ["unfinished"] * AT_ONCE + ["last"]


async def test_open_streams_end_when_their_sender_leaves(
    classroom: Classroom, media: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.room.open_streams.TIMEOUT_S", 600.0)
    for _ in range(AT_ONCE + 1):
        await classroom.open_stream()
    await until(classroom.refused, "a refusal")
    await classroom.mallory.disconnect()
    await until(lambda: MALLORY not in classroom.agent.remote_participants, "she has left")
    again = rtc.Room()
    await enter(media, classroom.agent.name, MALLORY, again)
    await again.local_participant.send_text("back", topic="lk.chat")
    await until(lambda: classroom.recorded.typed, "her turn")
    await again.disconnect()


async def test_unfinished_streams_end_after_a_while_and_their_sender_is_told(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.room.open_streams.TIMEOUT_S", 0.3)
    for _ in range(AT_ONCE):
        await classroom.open_stream()
    await until(classroom.refused, "a refusal")
    await classroom.type("finished")
    await until(lambda: classroom.recorded.typed, "a whole turn")


async def test_of_many_lesson_changes_the_newest_counts(classroom: Classroom) -> None:
    lessons = [uuid4() for _ in range(300)]
    for lesson_id in lessons:
        await classroom.ask_for(lesson_id)
    changes = classroom.recorded.changes
    await until(lambda: (MALLORY, lessons[-1]) in changes, "the last lesson")
    assert len(changes) <= RATES["lesson"].burst + 3


async def test_a_newer_remote_call_replaces_one_that_waits(classroom: Classroom) -> None:
    for _ in range(RATES["lesson"].burst):
        await classroom.call("lesson.change", lessonId=str(uuid4()))
    lessons = [str(uuid4()) for _ in range(6)]
    calls = [classroom.call("lesson.change", lessonId=one) for one in lessons]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    codes = [one.code for one in answers if isinstance(one, rtc.RpcError)]
    held = [json.loads(one)["lessonId"] for one in answers if isinstance(one, str)]
    assert codes == [409] * len(codes)
    assert len(codes) >= 4
    assert set(held) <= set(lessons)


async def test_a_refused_lesson_is_reported_to_its_sender(classroom: Classroom) -> None:
    await classroom.ask_for(FOREIGN)
    await until(lambda: classroom.messages, "a refusal")
    assert classroom.messages[0]["type"] == "lesson.refused"
    with pytest.raises(rtc.RpcError) as refused:
        await classroom.call("lesson.change", lessonId=str(FOREIGN))
    assert refused.value.code == 403
    with pytest.raises(rtc.RpcError) as malformed:
        await classroom.call("lesson.change", lessonId="none")
    assert malformed.value.code == 400


async def test_remote_calls_are_limited_and_stop_only_their_callers_speech(
    classroom: Classroom,
) -> None:
    calls = [classroom.call("speech.stop") for _ in range(RATES["speech"].burst + 4)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    codes = {one.code for one in answers if isinstance(one, rtc.RpcError)}
    assert codes == {429}
    assert set(classroom.recorded.stopped) == {MALLORY}


class Deaf:
    """A recogniser that never finds words."""

    async def recognise(self, pcm: bytes, **_: Any) -> Recognition:
        return NO_WORDS


@pytest.fixture
async def microphones(classroom: Classroom) -> AsyncIterator[Microphones]:
    await classroom.early.aclose()  # each microphone set has its own
    floor = Floor(lambda _identity: None)
    microphones = Microphones(
        classroom.agent,
        lambda _identity: Deaf(),
        floor,
        next_segment_id=lambda: "1",
        limits=classroom.limits,
    )
    yield microphones
    await microphones.aclose()


async def test_only_the_newest_microphone_of_a_participant_is_received(
    classroom: Classroom, microphones: Microphones
) -> None:
    first = await classroom.publish_sound(rtc.TrackSource.SOURCE_MICROPHONE)
    await until(lambda: classroom.received() == [first.sid], "the first microphone")
    await classroom.publish_sound(rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
    second = await classroom.publish_sound(rtc.TrackSource.SOURCE_MICROPHONE)
    await until(lambda: classroom.received() == [second.sid], "only the second microphone")


async def test_too_many_microphones_are_not_received(
    classroom: Classroom, microphones: Microphones
) -> None:
    for _ in range(RATES["microphone"].burst + 3):
        await classroom.publish_sound(rtc.TrackSource.SOURCE_MICROPHONE)
    await until(lambda: classroom.refused(), "a refusal")
    # a busy media server forwards them in any order, so any of them may be the refused one
    await until(lambda: len(classroom.received()) <= 1, "the refused ones are not received")
    assert classroom.refused()[0]["kind"] == "microphone"


async def test_the_voice_of_one_who_has_left_is_freed(
    classroom: Classroom, microphones: Microphones
) -> None:
    await classroom.publish_sound(rtc.TrackSource.SOURCE_MICROPHONE)
    await until(lambda: count_voices() == 1, "a voice")
    await classroom.mallory.disconnect()
    await until(lambda: count_voices() == 0, "no voice")


def count_voices() -> int:
    return sum(task.get_name() == "finals" for task in asyncio.all_tasks())
