"""What the page gets besides captions: upcoming words, unspoken words, latencies."""

import time
from collections.abc import Callable
from typing import Any

from harness.learner import Learner
from tests.room.conftest import Course


def messages(one: Learner, topic: str) -> list[dict[str, Any]]:
    return [message for name, message in one.messages if name == topic]


async def test_upcoming_words_are_sent_and_a_stop_marks_the_unspoken_ones(
    learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    one = await learner()
    joined = time.monotonic()
    await one.join(module.id, microphone=False)
    greeting = await one.tutor_done(joined)
    plans = messages(one, "answer.planned")
    assert " ".join(plans[0]["text"].split()) == " ".join(greeting.split())
    assert [plan["segmentId"] for plan in plans] == [c.segment_id for c in one.tutor_captions()]
    assert not any(plan["cut"] for plan in plans)
    one.messages.clear()
    asked = time.monotonic()
    await one.type("What is machine learning?")
    await one.wait_for_answer(asked)
    cut = await one.until(
        lambda: [p for p in messages(one, "answer.planned") if p["cut"]], what="a plan that was cut"
    )
    last = one.tutor_captions(asked)[-1]
    assert [plan["segmentId"] for plan in cut] == [last.segment_id]
    assert cut[0]["text"].startswith(last.text.strip())
    assert len(cut[0]["text"]) > len(last.text.strip())


async def test_latency_of_a_spoken_turn_is_sent_in_seconds_and_without_words(
    arrived: Callable[..., Any], course: Course
) -> None:
    one = await arrived(course.modules[0])
    one.messages.clear()
    _, ended = await one.say("what is machine learning")
    await one.wait_for_answer(ended)
    told = await one.until(
        lambda: [m for m in messages(one, "turn.latency") if m["endOfTurnS"] is not None],
        what="the latency of a turn",
    )
    assert set(told[-1]) == {
        *("turn", "endOfTurnS", "speechToTextS", "firstTokenS", "firstSoundS", "totalS")
    }
    assert all(0 <= value < 20 for value in told[-1].values())
    assert told[-1]["totalS"] >= told[-1]["speechToTextS"]
