"""The tutor follows lesson changes, whichever way they arrive."""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from livekit import api, rtc

from tests.room.conftest import Course

WAYS = ("metadata", "http", "data", "rpc")


async def change(way: str, amina: Any, lesson_id: str, livekit: api.LiveKitAPI) -> None:
    """Asks for a lesson in one of the four ways."""
    if way == "http":
        await amina.change_lesson(lesson_id)
    elif way == "data":
        await amina.data("lesson.change", {"type": "lesson.change", "lessonId": lesson_id})
    elif way == "rpc":
        answer = await amina.rpc("lesson.change", {"type": "lesson.change", "lessonId": lesson_id})
        assert answer["lessonId"] == lesson_id
    else:
        metadata = json.loads(amina.room.metadata)
        metadata |= {"lessonId": lesson_id, "revision": metadata["revision"] + 1}
        await livekit.room.update_room_metadata(
            api.UpdateRoomMetadataRequest(room=amina.room_name, metadata=json.dumps(metadata))
        )


async def announced(amina: Any, title: str, since: float) -> str:
    """What was said from the change to the end of its announcement."""
    await amina.until(
        lambda: title in amina.tutor_text(since), 15, f"the announcement of {title!r}"
    )
    said: str = await amina.tutor_done(since)
    return said


async def test_each_way_to_change_the_lesson_works_alone(
    arrived: Callable[..., Any], course: Course, livekit: api.LiveKitAPI
) -> None:
    first, second, third = course.modules[0].lessons
    amina = await arrived(course.modules[0], first["id"])
    for way, lesson in zip(WAYS, (third, second, third, second), strict=True):
        since = time.monotonic()
        await change(way, amina, lesson["id"], livekit)
        said = await announced(amina, lesson["title"], since)
        assert said.count(lesson["title"]) == 1, way
        amina.cited.clear()
        asked = time.monotonic()
        await amina.type("Summarise this lesson")
        await amina.until(lambda: amina.cited, 15, f"an answer that cites after {way}")
        assert amina.cited[0]["lessonId"] == lesson["id"], way
        await amina.wait_for_answer(asked)


async def test_the_four_ways_in_any_order_end_on_the_last_change(
    arrived: Callable[..., Any], course: Course, livekit: api.LiveKitAPI
) -> None:
    amina = await arrived(course.modules[0], course.modules[0].lessons[0]["id"])
    lessons = itertools.cycle(course.modules[0].lessons)
    current = course.modules[0].lessons[0]
    next(lessons)
    for order in itertools.permutations(WAYS, 2):
        for way in order:
            current = next(lessons)
            await change(way, amina, current["id"], livekit)
            await amina.until(
                lambda c=current: json.loads(amina.room.metadata)["lessonId"] == c["id"],
                10,
                f"metadata after {way}",
            )
    since = time.monotonic()
    await amina.type("What is this lesson about?")
    title = current["title"].rstrip("?")  # a spoken title ends as its sentence does
    await amina.until(lambda: title in amina.tutor_text(since), 15, "the last lesson")


async def test_change_in_mid_sentence_and_its_duplicates_are_announced_once(
    arrived: Callable[..., Any], course: Course
) -> None:
    amina = await arrived(course.modules[0], course.modules[0].lessons[0]["id"])
    lesson = course.modules[0].lessons[1]
    asked = time.monotonic()
    await amina.type("Summarise this lesson")
    await amina.until(lambda: amina.tutor_captions(asked), 10, "a long answer")
    since = time.monotonic()
    answer = await amina.change_lesson(lesson["id"])
    hint = {"type": "lesson.change", "lessonId": lesson["id"], "revision": answer["revision"]}
    for _ in range(3):
        assert (await amina.rpc("lesson.change", hint))["revision"] == answer["revision"]
        await amina.data("lesson.change", hint)
    said = await announced(amina, lesson["title"], since)
    assert said.count(lesson["title"]) == 1
    assert "Hello" not in said


async def test_sender_of_a_refused_lesson_is_notified(
    arrived: Callable[..., Any], course: Course
) -> None:
    amina = await arrived(course.modules[0], course.modules[0].lessons[0]["id"])
    foreign = course.modules[1].lessons[0]["id"]
    wanted = {"type": "lesson.change", "lessonId": foreign}
    with pytest.raises(rtc.RpcError) as refused:
        await amina.rpc("lesson.change", wanted)
    assert refused.value.code == 403
    await amina.data("lesson.change", wanted)
    await amina.until(
        lambda: any(m.get("type") == "lesson.refused" for _, m in amina.messages),
        10,
        "a refusal",
    )
    assert json.loads(amina.room.metadata)["lessonId"] == course.modules[0].lessons[0]["id"]
