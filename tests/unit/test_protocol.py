"""What protocol/ reads from outside: round trips, limits and 10,000 malformed payloads."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from livekit.agents import types as livekit

import protocol
from protocol import LessonChange, ProtocolError, RoomMetadata
from tests.soak import SOAK

CASES = 10_000 if SOAK else 400
KEYS = [
    "agent_type", "courseId", "courseTitle", "moduleId", "lessonId", "lessonTitle",
    "lessonNumber", "videoIds", "learningObjectives", "userId", "userName", "sessionType",
    "isFirstCourseVisit", "prevLessonTitle", "revision", "type", "rate", "voice", "tenantId",
    "roomId", "sessionId", "epoch",
]  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=12), values, max_size=12)
payloads = (
    objects.map(lambda value: json.dumps(value, default=str))
    | values.map(lambda value: json.dumps(value, default=str))
    | st.text(max_size=200)
    | st.sampled_from(["", "{", "[" * 5000, '{"a":' * 3000, "nul", '{"revision": 1e400}', "\x00"])
)


parse_ms: list[float] = []


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    """Writes parse times to build/faults."""
    yield
    took = sorted(parse_ms)
    if took:
        folder = Path(__file__).parents[2] / "build" / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        metrics = {"payloads": len(took), "parse_p99_ms": round(took[len(took) * 99 // 100], 3)}
        (folder / "metadata.json").write_text(json.dumps(metrics, indent=1) + "\n")


def bounded(test: Callable[..., Any]) -> Any:
    return settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))(
        test
    )


@bounded
@given(payloads)
def test_malformed_metadata_is_ignored_and_malformed_messages_raise_protocol_error(
    text: str,
) -> None:
    began = time.perf_counter()
    found = protocol.parse_metadata(text)
    parse_ms.append((time.perf_counter() - began) * 1000)
    assert found is None or found.agent_type == protocol.AGENT_TYPE
    dispatch = protocol.parse_dispatch(text)
    assert dispatch is None or isinstance(dispatch.session_id, UUID)
    parse_messages(text)


@bounded
@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_raise_protocol_error(payload: bytes) -> None:
    parse_messages(payload)


def parse_messages(payload: str | bytes) -> None:
    parsers = (
        protocol.parse_lesson_change,
        protocol.parse_speech_set,
        protocol.parse_activity_set,
    )
    for parse in parsers:
        with contextlib.suppress(ProtocolError):
            parse(payload)


def test_metadata_round_trip_keeps_known_and_unknown_keys() -> None:
    text = json.dumps(
        {
            "agent_type": "bodh-agent", "courseId": "c", "courseTitle": "C", "moduleId": "m",
            "moduleTitle": "M", "lessonId": "l", "lessonTitle": "L", "lessonNumber": 2,
            "videoIds": ["v"], "learningObjectives": ["o"], "userId": "u", "userName": "U",
            "sessionType": "lesson_welcome", "isFirstCourseVisit": False, "isIntroLesson": False,
            "prevLessonTitle": "P", "revision": 3, "unknown": {"kept": True},
        }
    )  # fmt: skip
    metadata = protocol.parse_metadata(text)
    assert metadata is not None
    assert json.loads(protocol.dump(metadata)) == json.loads(text)


def test_storing_choice_is_read_from_metadata_and_never_written() -> None:
    metadata = protocol.parse_metadata('{"storeWords": false}')
    assert metadata is not None
    assert metadata.store_words is False
    assert "storeWords" not in protocol.dump(metadata)


def test_public_metadata_has_the_identity_and_no_private_facts() -> None:
    own = RoomMetadata(
        user_id=str(uuid4()),
        user_name="Amina",
        lesson_id="l",
        revision=3,
        session_type="lesson_welcome_back",
        is_first_course_visit=False,
        store_words=False,
        youtubeVideoId="y",
    )
    public = json.loads(protocol.dump(own.public("l_one")))
    assert json.loads(protocol.dump(own)).keys() - public.keys() == {
        "sessionType",
        "isFirstCourseVisit",
    }
    assert {name: public[name] for name in ("userId", "userName", "lessonId", "revision")} == {
        "userId": "l_one",
        "userName": "Amina",
        "lessonId": "l",
        "revision": 3,
    }
    assert public["youtubeVideoId"] == "y"


@pytest.mark.parametrize("limit", [protocol.MAX_ROOM_METADATA_BYTES, 4096])
def test_long_metadata_is_cut_to_its_limit(limit: int) -> None:
    metadata = RoomMetadata(
        course_title="ü" * 3000,
        lesson_title="t" * 9000,
        learning_objectives=["learn " * 40 for _ in range(200)],
    )
    text = protocol.dump_metadata(metadata, limit)
    assert len(text.encode()) <= limit
    assert protocol.parse_metadata(text) is not None


def test_metadata_of_another_agent_is_not_ours() -> None:
    assert protocol.parse_metadata('{"agent_type": "other-agent"}') is None


def test_metadata_is_read_up_to_one_megabyte() -> None:
    text = json.dumps({"learningObjectives": ["x" * 100] * 4900})
    assert protocol.parse_metadata(text) is not None
    assert protocol.parse_metadata(text * 3) is None


def test_room_name_is_course_and_module_within_livekits_limit() -> None:
    course, module = uuid4(), uuid4()
    assert protocol.room_name(course, module) == f"{course}-{module}"
    with pytest.raises(ProtocolError):
        protocol.room_name(course, module, "x" * 200)


def test_lesson_change_requires_a_lesson_and_allows_a_revision() -> None:
    lesson = uuid4()
    change = protocol.parse_lesson_change(json.dumps({"lessonId": str(lesson), "revision": 4}))
    assert change == LessonChange(lesson_id=lesson, revision=4)
    with pytest.raises(ProtocolError, match="lessonId"):
        protocol.parse_lesson_change(b'{"revision": 4}')


def test_deeply_nested_message_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="not a JSON object"):
        protocol.parse_lesson_change('{"lessonId":' + "[" * 5000)


def test_message_fields_are_camel_case_on_the_wire() -> None:
    planned = protocol.AnswerPlanned(segment_id="s1", text="Hello.")
    assert json.loads(protocol.dump(planned)) == {"segmentId": "s1", "text": "Hello.", "cut": False}


def test_names_of_text_streams_and_state_are_livekits() -> None:
    assert protocol.TOPIC_CAPTIONS == livekit.TOPIC_TRANSCRIPTION
    assert protocol.TOPIC_TYPED == livekit.TOPIC_CHAT
    assert protocol.ATTRIBUTE_SEGMENT_ID == livekit.ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID
    assert protocol.ATTRIBUTE_FINAL == livekit.ATTRIBUTE_TRANSCRIPTION_FINAL
    assert protocol.ATTRIBUTE_AGENT_STATE == livekit.ATTRIBUTE_AGENT_STATE
