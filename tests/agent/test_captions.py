"""The tutor's captions are closed even if their citations fail."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from livekit import rtc

import protocol
from agent.room.captions import Captions, TutorCaptions
from agent.room.citations import Citations
from agent.text.lines import Line, Sentence
from agent.text.marks import Mark
from courses.library import Library
from courses.memory import MemoryLibrary
from tests.agent.desk_parts import sample_tree

TEXT = "Gradient descent is a method."


class Writer:
    """A caption stream that remembers what it got."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.text = ""
        self.closed = asyncio.Event()

    async def write(self, text: str) -> None:
        self.text += text

    async def aclose(self, *, attributes: dict[str, str]) -> None:
        self.attributes |= attributes
        self.closed.set()


class Room:
    """A room with nobody else in it, which may refuse data messages."""

    identity = "a_one"

    def __init__(self, *, refuses: bool = False) -> None:
        self.local_participant = self
        self.remote_participants: dict[str, Any] = {}
        self.track_publications: dict[str, Any] = {}
        self.writers: list[Writer] = []
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.refuses = refuses
        self.changed = asyncio.Event()

    async def stream_text(self, *, attributes: dict[str, str], **_: object) -> Writer:
        self.writers.append(Writer(attributes))
        return self.writers[-1]

    async def publish_data(self, payload: str, *, topic: str, **_: object) -> None:
        self.messages.append((topic, json.loads(payload)))
        self.changed.set()
        if self.refuses:
            raise RuntimeError("the connection is lost")

    async def message(self, topic: str) -> dict[str, Any]:
        """The first message on the topic."""
        async with asyncio.timeout(5):
            while not (found := [body for name, body in self.messages if name == topic]):
                self.changed.clear()
                await self.changed.wait()
        return found[0]


class Record:
    """Keeps the tutor's sentences in a list."""

    def __init__(self) -> None:
        self.said: list[Sentence] = []

    def next_segment_id(self) -> str:
        return f"1-{len(self.said) + 1}"

    async def record_sentence(self, sentence: Sentence) -> None:
        self.said.append(sentence)


class SilentLibrary:
    """A library whose database never answers."""

    async def list_outline(self, _course_id: object) -> None:
        await asyncio.Event().wait()


class BrokenLibrary:
    """A library whose database is away."""

    async def list_outline(self, _course_id: object) -> None:
        raise OSError("refused")


async def captioned(room: Room, library: object) -> tuple[TutorCaptions, Record]:
    """Says TEXT, which cites passage 1 of lesson 1, and returns once its caption is closed."""
    place, record = cast("rtc.Room", room), Record()
    citations = Citations(place, cast("Library", library), sample_tree().course.id)
    captions = TutorCaptions(Captions(place), place, record=record, citations=citations)
    captions.begin_line(Line(text=TEXT, marks=[Mark(len(TEXT), 1, 1)]))
    await captions.capture_text(TEXT)
    captions.flush()
    await asyncio.wait_for(room.writers[0].closed.wait(), 5)
    return captions, record


@pytest.mark.parametrize("library", [SilentLibrary, BrokenLibrary])
async def test_caption_is_closed_while_the_database_is_away(library: Callable[[], object]) -> None:
    room = Room()
    captions, record = await captioned(room, library())
    await captions.wait_until_recorded()
    assert room.writers[0].text == TEXT
    assert room.writers[0].attributes["lk.transcription_final"] == "true"
    assert [one.text for one in record.said] == [TEXT]


async def test_caption_is_closed_and_a_line_logged_when_the_room_refuses_messages(
    caplog: pytest.LogCaptureFixture,
) -> None:
    room = Room(refuses=True)
    captions, _ = await captioned(room, MemoryLibrary(sample_tree()))
    await room.message(protocol.TOPIC_ANSWER_CITED)
    await captions.wait_until_recorded()
    assert room.writers[0].attributes["lk.transcription_final"] == "true"
    failed = [vars(one)["kind"] for one in caplog.records if one.levelno == logging.WARNING]
    assert sorted(failed) == ["answer.cited", "answer.planned"]


async def test_citations_name_lesson_and_passage_of_the_mark() -> None:
    room, library = Room(), MemoryLibrary(sample_tree())
    captions, record = await captioned(room, library)
    message = await room.message(protocol.TOPIC_ANSWER_CITED)
    first = (await library.list_outline(sample_tree().course.id))[0]
    passages = await library.list_passages(first.id)
    assert message["segmentId"] == record.said[0].id
    assert message["lessonId"] == str(first.id)
    assert message["passageIds"] == [str(one.id) for one in passages if one.number == 1]
    await captions.wait_until_recorded()
