"""A classmate who misuses what a token allows changes nothing for the others."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg
import numpy as np
import pytest
from livekit import rtc

from agent.models.espeak import RATE as VOICE_RATE
from agent.room.open_streams import AT_ONCE, TIMEOUT_S
from agent.room.rates import RATES
from harness.hostile_room import hostile_room
from harness.learner import Learner
from harness.stack import Stack
from harness.voices import resampled, synthesise_cached
from tests.room.conftest import Course
from tests.soak import runs

EARLY_TOPIC = "lk.agent.pre-connect-audio-buffer"
RATE = 16_000
ATTACK_S = float(runs(10, 60))
PATIENCE_S = 60.0  # `bench hostile` measures how long answers take
MORE_MB, MOST_ROWS = 20.0, 200
EVENTS = "select count(*) from session_state_events where session_id = $1::uuid"


@pytest.fixture
async def pair(
    arrived: Callable[..., Any], learner: Callable[..., Any], course: Course
) -> tuple[Learner, Learner]:
    """Amina and Mallory in one room, in which the tutor is quiet."""
    module = course.modules[0]
    amina = await arrived(module, module.lessons[0]["id"])
    mallory = await learner(name="Mallory")
    await mallory.join_past_greeting(module.id, microphone=False)
    return amina, mallory


def refusals(learner: Learner, kind: str) -> list[dict[str, Any]]:
    return [one for topic, one in learner.messages if topic == "refused" and one["kind"] == kind]


async def early_audio(sender: Learner, track_sid: str, pcm: bytes) -> None:
    writer = await sender.room.local_participant.stream_bytes(
        name="early",
        topic=EARLY_TOPIC,
        attributes={"trackId": track_sid, "sampleRate": str(RATE), "channels": "1"},
        destination_identities=sender.agents(),
        mime_type="audio/pcm",
    )
    await writer.write(pcm)
    await writer.aclose()


async def publish_with_early_audio(learner: Learner) -> rtc.LocalTrackPublication:
    """Publishes a silent microphone that announces early audio."""
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(
        source=rtc.TrackSource.SOURCE_MICROPHONE, preconnect_buffer=True
    )
    return await learner.room.local_participant.publish_track(track, options)


async def test_early_audio_counts_only_from_the_owner_of_the_track(
    pair: tuple[Learner, Learner],
) -> None:
    amina, mallory = pair
    words = resampled(await synthesise_cached("my answer is three"), VOICE_RATE, RATE)
    pcm = np.concatenate([words, np.zeros(RATE, np.int16)]).tobytes()
    for sender in (mallory, amina):
        publication = await publish_with_early_audio(amina)
        began = time.monotonic()
        await early_audio(sender, publication.sid, pcm)
        if sender is amina:
            await amina.until(partial(amina.own_captions, began), 15, "her own early words")
        else:
            await asyncio.sleep(5)
            assert amina.own_captions(began) == []
        await amina.room.local_participant.unpublish_track(publication.sid)


async def test_lesson_changes_in_a_row_are_limited_and_the_newest_counts(
    pair: tuple[Learner, Learner], course: Course, rows: asyncpg.Connection
) -> None:
    amina, mallory = pair
    lessons = course.modules[0].lessons
    before = await rows.fetchval(EVENTS, amina.session_id)
    began = time.monotonic()
    for number in range(600):
        lesson_id = lessons[number % 2]["id"]
        await mallory.data("lesson.change", {"type": "lesson.change", "lessonId": lesson_id})
    calls = [
        mallory.rpc("lesson.change", {"type": "lesson.change", "lessonId": lessons[n % 2]["id"]})
        for n in range(20)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    replaced = [one for one in results if isinstance(one, rtc.RpcError)]
    assert {one.code for one in replaced} == {409}
    await mallory.data("lesson.change", {"type": "lesson.change", "lessonId": lessons[2]["id"]})
    metadata = mallory.room.local_participant
    await mallory.until(
        lambda: json.loads(metadata.metadata or "{}").get("lessonId") == lessons[2]["id"],
        20,
        "the lesson that was asked for last",
    )
    rate, took_s = RATES["lesson"], time.monotonic() - began
    changed = await rows.fetchval(EVENTS, amina.session_id) - before
    assert 1 <= changed <= rate.burst + took_s / rate.every_s + 2


async def test_too_many_typed_turns_are_refused_with_a_reason(
    pair: tuple[Learner, Learner],
) -> None:
    amina, mallory = pair
    sent = [await mallory.type("What is overfitting?") for _ in range(RATES["turn"].burst + 8)]
    await mallory.until(lambda: refusals(mallory, "turn"), 10, "a refusal")
    refused = refusals(mallory, "turn")[0]
    assert refused["streamId"] in sent
    assert "too much" in refused["error"]
    stored = await mallory.account.transcript(mallory.session_id)
    assert len([one for one in stored if one["mine"]]) < len(sent)
    assert refusals(amina, "turn") == []


async def test_unfinished_streams_are_few_and_end(pair: tuple[Learner, Learner]) -> None:
    _, mallory = pair
    local = mallory.room.local_participant
    open_streams = []
    for _ in range(AT_ONCE + 3):
        writer = await local.stream_text(topic="lk.chat", destination_identities=mallory.agents())
        await writer.write("unfinished")
        open_streams.append(writer)
    await mallory.until(lambda: refusals(mallory, "turn"), 10, "a refusal")
    began = time.monotonic()
    await asyncio.sleep(TIMEOUT_S)
    asked = time.monotonic()
    await mallory.type("What is overfitting?")
    await mallory.until(lambda: "verfitting" in mallory.tutor_text(asked), 15, "an answer")
    assert asked - began >= TIMEOUT_S
    for writer in open_streams:
        with contextlib.suppress(Exception):
            await writer.aclose()


async def test_a_learner_stops_only_what_is_said_to_them(pair: tuple[Learner, Learner]) -> None:
    amina, mallory = pair
    asked = time.monotonic()
    await amina.type("Summarise this lesson")
    await amina.until(lambda: amina.tutor_captions(asked), 15, "an answer")
    for _ in range(5):
        await mallory.rpc("speech.stop", {})
    whole = await amina.tutor_done(asked)
    assert whole.count(".") >= 3
    again = time.monotonic()
    await amina.type("Summarise this lesson")
    await amina.until(lambda: amina.tutor_captions(again), 15, "an answer")
    await amina.rpc("speech.stop", {})
    assert len(await amina.tutor_done(again)) < len(whole)


async def test_normal_use_is_never_refused(pair: tuple[Learner, Learner], course: Course) -> None:
    """Quick, but no quicker than a person: a quiz, lessons back and forth, stops and rates."""
    _, mallory = pair
    for text in ("Quiz me", "A", "B", "C", "hint", "A", "go on", "What is overfitting?"):
        await mallory.type(text)
        await asyncio.sleep(0.5)
    for number in range(6):
        answer = await mallory.change_lesson(course.modules[0].lessons[number % 3]["id"])
        hint = {"type": "lesson.change", **answer}
        assert (await mallory.rpc("lesson.change", hint))["revision"] >= answer["revision"]
    for rate in (1.0, 1.1, 1.25, 1.5, 1.0):
        await mallory.rpc("speech.set", {"rate": rate})
        await mallory.rpc("speech.stop", {})
    assert [one for topic, one in mallory.messages if topic == "refused"] == []


@pytest.mark.timeout(600)
@pytest.mark.soak  # needs the two cores for itself
async def test_beside_an_attacker_a_learner_is_answered(
    stack: Stack, course: Course, fresh_room: Callable[..., Any]
) -> None:
    """All topics, calls, streams, tracks, metadata, typed turns and joins at once."""
    await fresh_room(course.modules[0])
    async with hostile_room(stack) as room:
        await room.ask_beside("harmless", 1, patience_s=PATIENCE_S)
        before = await room.ask_beside("hostile", 1, patience_s=PATIENCE_S)  # the first use of all
        found = await room.ask_beside("hostile", ATTACK_S, patience_s=PATIENCE_S)
    assert found.stretch.bytes > 0
    assert found.stretch.joins > 0
    assert None not in found.answers_s
    assert found.memory_mb - before.memory_mb <= MORE_MB
    assert found.events <= MOST_ROWS
