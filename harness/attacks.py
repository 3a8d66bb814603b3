"""What a participant can do with a token, as an attack or as noise of the same size."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

import numpy as np
from livekit import rtc

import protocol
from agent.room.early_audio import TOPIC as EARLY_TOPIC
from harness.learner import agents_of
from speech.wire import RATE

FRAME = RATE // 50
NOISE = "noise"  # a topic and a method that nobody reads
STREAM_TOPICS = ("lk.chat", "lk.transcription", "lk.agent.session", "unknown")
DATA_TOPICS = (
    protocol.TOPIC_ANSWER_PLANNED,
    protocol.TOPIC_ANSWER_CITED,
    protocol.TOPIC_TURN_LATENCY,
    protocol.TOPIC_REFUSED,
    "unknown",
)
QUESTIONS = (
    "What is machine learning?",
    "Summarise this lesson",
    ")a" * 2000,
    "what did i just say",
    "Go to the next lesson",
    "Quiz me",
    "start from the beginning",
    "x" * 70_000,
)
KEPT_OPEN = 200  # unfinished streams; more would only slow down the attacker
CALLS_AT_ONCE = 100
CALL_S = 2.0


class Mallory:
    """One participant. If not `hostile`, sends as much sound and data, but none that is read."""

    def __init__(self, ticket: dict[str, Any], speech: np.ndarray) -> None:
        self.hostile = False
        self.room = rtc.Room()
        self.bytes = self.joins = 0  # sent in messages, streams and calls; made in all
        self.speech = speech
        self.sound = rtc.AudioSource(RATE, 1, queue_size_ms=200)
        self.open_streams: list[rtc.TextStreamWriter] = []
        self.number, self.typed = itertools.count(), itertools.count()
        self._ticket = ticket
        self._calls: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Joins with a microphone. The server ends an older connection of the same identity."""
        before, room = self.room, rtc.Room()
        options = rtc.RoomOptions(auto_subscribe=False)
        await room.connect(self._ticket["server_url"], self._ticket["participant_token"], options)
        self.room = room
        self.joins += 1
        self.open_streams.clear()
        await before.disconnect()
        await self.publish_sound(self.sound, rtc.TrackSource.SOURCE_MICROPHONE)

    @property
    def local(self) -> rtc.LocalParticipant:
        return self.room.local_participant

    def topic_or_noise(self, topic: str) -> str:
        return topic if self.hostile else NOISE

    def next_lesson_id(self) -> str:
        lessons: list[str] = self._ticket["lessons"]
        return lessons[next(self.number) % len(lessons)]

    async def publish_sound(self, source: rtc.AudioSource, kind: Any) -> rtc.LocalTrackPublication:
        track = rtc.LocalAudioTrack.create_audio_track("sound", source)
        return await self.local.publish_track(track, rtc.TrackPublishOptions(source=kind))

    def find_foreign_track(self) -> str:
        people = self.room.remote_participants.values()
        return next((sid for one in people for sid in one.track_publications), "TR_none")

    def start_unawaited_call(self, call: Coroutine[Any, Any, Any], size: int) -> None:
        """Starts a call of `size` bytes whose answer nobody waits for; not too many at once."""
        if len(self._calls) >= CALLS_AT_ONCE:
            call.close()
            return
        self.bytes += size
        task = asyncio.create_task(_await_and_ignore_errors(call))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


async def _await_and_ignore_errors(call: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(call, CALL_S)


async def send_data(mallory: Mallory) -> None:
    lesson_change = {"type": "lesson.change", "lessonId": mallory.next_lesson_id()}
    payloads = [
        (protocol.TOPIC_LESSON_CHANGE, json.dumps(lesson_change)),
        (protocol.TOPIC_LESSON_CHANGE, "{" * 1000),
        (protocol.TOPIC_TYPED, "x" * 1000),
        *((topic, json.dumps({"segmentId": "1-1", "text": "x" * 1000})) for topic in DATA_TOPICS),
    ]
    for number, (topic, payload) in enumerate(payloads):
        await mallory.local.publish_data(
            payload,
            reliable=number % 4 != 3,
            topic=mallory.topic_or_noise(topic),
            destination_identities=agents_of(mallory.room),
        )
        mallory.bytes += len(payload)


async def send_streams(mallory: Mallory) -> None:
    """Streams that never end, on every topic; and one that claims to be somebody's sound."""
    agents = agents_of(mallory.room)
    for topic in STREAM_TOPICS:
        text = await mallory.local.stream_text(
            topic=mallory.topic_or_noise(topic), destination_identities=agents
        )
        await text.write("x" * 14_000)
        mallory.bytes += 14_000
        mallory.open_streams.append(text)
    pcm = mallory.speech.tobytes()[:60_000]
    attributes = {"trackId": mallory.find_foreign_track(), "sampleRate": str(RATE), "channels": "1"}
    sound = await mallory.local.stream_bytes(
        name="sound",
        topic=mallory.topic_or_noise(EARLY_TOPIC),
        destination_identities=agents,
        attributes=attributes,
        mime_type="audio/pcm",
    )
    await sound.write(pcm)
    await sound.aclose()
    mallory.bytes += len(pcm)
    while len(mallory.open_streams) > KEPT_OPEN:
        await mallory.open_streams.pop(0).aclose()
    await asyncio.sleep(0.05)


async def call_methods(mallory: Mallory) -> None:
    lesson_change = {"type": "lesson.change", "lessonId": mallory.next_lesson_id()}
    rate = 0.5 if next(mallory.number) % 2 else 2.0
    calls: list[tuple[str, dict[str, Any]]] = [
        (protocol.RPC_LESSON_CHANGE, lesson_change),
        (protocol.RPC_SPEECH_STOP, {}),
        (protocol.RPC_SPEECH_SET, {"rate": rate}),
        ("unknown", {"text": "x" * 1000}),
    ]
    others = [*agents_of(mallory.room)[:1], *list(mallory.room.remote_participants)[:2]]
    for identity in dict.fromkeys(others):
        for method, payload in calls:
            text = json.dumps(payload)
            mallory.start_unawaited_call(
                mallory.local.perform_rpc(
                    destination_identity=identity,
                    method=mallory.topic_or_noise(method),
                    payload=text,
                    response_timeout=CALL_S,
                ),
                len(text),
            )
    await asyncio.sleep(0.05)


async def pose_as_tutor(mallory: Mallory) -> None:
    """Also claims to be another learner, and to have said what others said."""
    local, hostile = mallory.local, mallory.hostile
    attributes = {"lk.agent.state": "speaking", "lk.publish_on_behalf": "a_1"}
    metadata = json.dumps({"agent_type": "bodh-agent", "userId": str(UUID(int=7))})
    mallory.start_unawaited_call(
        local.set_attributes(attributes if hostile else {NOISE: "x" * 53}), 58
    )
    mallory.start_unawaited_call(
        local.set_metadata(metadata if hostile else "x" * len(metadata)), 79
    )
    mallory.start_unawaited_call(local.set_name("Bodh" if hostile else "Mall"), 4)
    if hostile:
        segment = rtc.TranscriptionSegment(
            id="1-1", text="x" * 500, start_time=0, end_time=0, language="en", final=True
        )
        agent = next(iter(agents_of(mallory.room)), "a_1")
        await local.publish_transcription(
            rtc.Transcription(agent, mallory.find_foreign_track(), [segment])
        )
        await local.publish_dtmf(code=1, digit="1")
    else:
        await local.publish_data("x" * 560, topic=NOISE)
    mallory.bytes += 560
    await asyncio.sleep(0.5)


async def type_turns(mallory: Mallory) -> None:
    text = QUESTIONS[next(mallory.typed) % len(QUESTIONS)]
    await mallory.local.send_text(text, topic=mallory.topic_or_noise(protocol.TOPIC_TYPED))
    mallory.bytes += len(text)
    await asyncio.sleep(0.1)


async def switch_tracks(mallory: Mallory) -> None:
    """Publishes and removes other tracks: a screen's sound, a second microphone, a camera, data."""
    kind = (rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO, rtc.TrackSource.SOURCE_MICROPHONE)
    source = kind[next(mallory.number) % 2 if mallory.hostile else 0]
    sound = await mallory.publish_sound(rtc.AudioSource(RATE, 1), source)
    camera = rtc.LocalVideoTrack.create_video_track("camera", rtc.VideoSource(160, 120))
    picture = await mallory.local.publish_track(
        camera, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
    )
    await mallory.local.publish_data_track(name=f"track-{next(mallory.number)}")
    await asyncio.sleep(0.5)
    await mallory.local.unpublish_track(sound.sid)
    await mallory.local.unpublish_track(picture.sid)
    await asyncio.sleep(0.5)


ATTACKS: tuple[Callable[[Mallory], Awaitable[None]], ...] = (
    send_data,
    send_streams,
    call_methods,
    pose_as_tutor,
    type_turns,
    switch_tracks,
)
