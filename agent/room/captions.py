"""Live captions of everyone in the room, on LiveKit's topic `lk.transcription`."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from livekit import rtc
from livekit.agents.types import (
    ATTRIBUTE_TRANSCRIPTION_FINAL,
    ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID,
    ATTRIBUTE_TRANSCRIPTION_TRACK_ID,
    TOPIC_TRANSCRIPTION,
)
from livekit.agents.voice import io

import protocol
from agent.room import publish
from agent.room.citations import Citations
from agent.room.tasks import Tasks
from agent.text.backchannel import has_just_asked
from agent.text.lines import Line, Sentence
from courses.sentences import split_sentences

MAX_PLANNED_CHARS = 2000  # more than a page shows, less than a packet holds
CLOSE_S = 2.0


class Captions:
    """Writes caption streams to a room. Logs failures, which never end the conversation."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._waiting: deque[_Caption] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._sending = Tasks("captions")
        self._planning = Tasks("plans")

    def show_utterance(
        self, identity: str, segment_id: str, text: str, *, final: bool, to: Iterable[str]
    ) -> None:
        """Shows the text of a learner's utterance so far, under their own identity.

        `to` are the identities that heard it; the learner sees it in any case. Returns at once.
        Captions are sent in order, in the background.
        """
        seen_by = sorted({identity, *to})  # never empty, which would mean everybody
        self._waiting.append(_Caption(identity, segment_id, text, final, seen_by))
        if self._sender is None or self._sender.done():
            self._sender = self._sending.spawn(self._send_waiting_captions())

    def send_plan(self, message: protocol.AnswerPlanned) -> None:
        topic = protocol.TOPIC_ANSWER_PLANNED
        self._planning.spawn(
            publish.send_message(self._room, topic, message, segment=message.segment_id)
        )

    def show_wait(self, identity: str, seconds: float) -> None:
        """Shows this learner that the tutor is waiting for them to continue."""
        message = protocol.TurnWaiting(seconds=round(seconds, 1))
        topic = protocol.TOPIC_TURN_WAITING
        self._planning.spawn(publish.send_message(self._room, topic, message, to=[identity]))

    async def close(self) -> None:
        """Sends pending captions for at most 2 s, and drops the plans."""
        await self._planning.close()
        await self._sending.wait_for_all(CLOSE_S)
        await self._sending.close()

    async def _send_waiting_captions(self) -> None:
        while self._waiting:
            one = self._waiting.popleft()
            with publish.guard_message("caption", segment=one.segment_id):
                writer = await self.open_stream(
                    one.segment_id, one.identity, final=one.final, seen_by=one.seen_by
                )
                await writer.write(one.text)
                await writer.aclose()

    async def open_stream(
        self, segment_id: str, identity: str, *, final: bool, seen_by: list[str] | None = None
    ) -> rtc.TextStreamWriter:
        """Opens a caption stream under this identity. The caller closes it and handles errors.

        Without `seen_by`, everybody who is in the room now sees it.
        """
        attributes = {
            ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID: segment_id,
            ATTRIBUTE_TRANSCRIPTION_FINAL: "true" if final else "false",
        }
        if track := self._microphone_track_of(identity):
            attributes[ATTRIBUTE_TRANSCRIPTION_TRACK_ID] = track
        return await self._room.local_participant.stream_text(
            topic=TOPIC_TRANSCRIPTION,
            sender_identity=identity,
            attributes=attributes,
            destination_identities=seen_by,
        )

    def _microphone_track_of(self, identity: str) -> str | None:
        local = self._room.local_participant
        everybody = {**self._room.remote_participants, local.identity: local}
        participant = everybody.get(identity)
        publications = participant.track_publications.values() if participant else ()
        for publication in publications:
            if publication.source == rtc.TrackSource.SOURCE_MICROPHONE:
                return publication.sid
        return None


@dataclass(frozen=True)
class _Caption:
    identity: str
    segment_id: str
    text: str
    final: bool
    seen_by: list[str]


class SentenceRecord(Protocol):
    def next_segment_id(self) -> str: ...

    async def record_sentence(self, sentence: Sentence) -> None:
        """Returns once the sentence is durable."""


class TutorCaptions(io.TextOutput):
    """Captions the tutor's words as they are spoken, one caption per sentence.

    A caption is marked final only after its sentence is in the record.
    """

    def __init__(
        self, captions: Captions, room: rtc.Room, *, record: SentenceRecord, citations: Citations
    ) -> None:
        super().__init__(label="bodh-captions", next_in_chain=None)
        self._captions = captions
        self._room = room
        self._record = record
        self._citations = citations
        self._line = Line()
        self._spoken: _SpokenLine | None = None
        self._tasks = Tasks("tutor_captions")

    def begin_line(self, line: Line) -> None:
        """Starts a line: the words that arrive from now on are its own.

        Call it when all words of the line before have arrived. A line that is cut before its
        first word leaves nothing behind.
        """
        self.flush()
        self._line = line

    def has_just_asked(self) -> bool:
        """Whether the tutor is asking, or has said only a few words since it asked."""
        spoken = self._spoken
        return spoken is not None and has_just_asked(spoken.text, spoken.line.text)

    async def capture_text(self, text: str) -> None:
        if self._spoken is None:
            self._spoken = _SpokenLine(self._line)
        spoken = self._spoken
        spoken.text += text
        sentences = split_sentences(spoken.text[spoken.done :])
        for sentence in sentences[:-1]:
            await self._end_sentence(spoken, sentence, interrupted=False)
        await self._show_new_text(spoken)

    def flush(self) -> None:
        spoken, self._spoken = self._spoken, None
        if spoken is not None:
            cut = spoken.text.strip() != spoken.line.text.strip()
            if cut and spoken.last_id:
                self._send_plan(spoken, cut=True)
            self._tasks.spawn(self._end_last_sentence(spoken, cut=cut))

    async def wait_until_recorded(self) -> None:
        """Returns when every flushed sentence is in the record. Sends no citations after that."""
        await self._tasks.wait_for_all()
        await self._citations.close()

    async def _end_last_sentence(self, spoken: "_SpokenLine", *, cut: bool) -> None:
        rest = spoken.text[spoken.done :]
        if rest.strip():
            await self._end_sentence(spoken, rest, interrupted=cut)

    async def _show_new_text(self, spoken: "_SpokenLine") -> None:
        rest = spoken.text[spoken.done + spoken.shown :]
        if not rest.strip() and not spoken.shown:
            return
        with publish.guard_message("caption", segment=spoken.sentence_id):
            if spoken.writer is None:
                spoken.sentence_id = spoken.last_id = self._record.next_segment_id()
                spoken.begun = spoken.done
                self._send_plan(spoken, cut=False)
                spoken.started_at = time.time()
                identity = self._room.local_participant.identity
                spoken.writer = await self._captions.open_stream(
                    spoken.sentence_id, identity, final=False
                )
            await spoken.writer.write(rest)
        spoken.shown += len(rest)

    def _send_plan(self, spoken: "_SpokenLine", *, cut: bool) -> None:
        text = spoken.line.text[spoken.begun :].strip()[:MAX_PLANNED_CHARS]
        self._captions.send_plan(
            protocol.AnswerPlanned(segment_id=spoken.last_id, text=text, cut=cut)
        )

    async def _end_sentence(self, spoken: "_SpokenLine", text: str, *, interrupted: bool) -> None:
        shown_part = text[spoken.shown :]
        begin, spoken.done = spoken.done, spoken.done + len(text)
        marks = tuple(m for m in spoken.line.marks if begin < max(m.offset, 1) <= spoken.done)
        sentence = Sentence(
            id=spoken.sentence_id or self._record.next_segment_id(),
            text=text.strip(),
            started_at=spoken.started_at or time.time(),
            ended_at=time.time(),
            interrupted=interrupted,
            line=spoken.line,
            marks=marks,
        )
        spoken.last_id, spoken.begun = sentence.id, begin
        writer, spoken.writer, spoken.sentence_id = spoken.writer, None, ""
        spoken.shown, spoken.started_at = 0, 0.0
        if sentence.text:
            await self._record.record_sentence(sentence)
            self._citations.send_citations(sentence)
        await self._close_caption(writer, sentence.id, shown_part)

    async def _close_caption(
        self, writer: rtc.TextStreamWriter | None, segment_id: str, rest: str
    ) -> None:
        with publish.guard_message("end_of_caption", segment=segment_id):
            identity = self._room.local_participant.identity
            writer = writer or await self._captions.open_stream(segment_id, identity, final=False)
            if rest:
                await writer.write(rest)
            await writer.aclose(attributes={ATTRIBUTE_TRANSCRIPTION_FINAL: "true"})


class _SpokenLine:
    """Progress of one speech: `done` characters in ended sentences, `shown` ones of the rest."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.text = ""
        self.done = 0
        self.shown = 0
        self.sentence_id = ""
        self.last_id = ""  # of the sentence shown last, which began at `begun` in the text
        self.begun = 0
        self.started_at = 0.0
        self.writer: rtc.TextStreamWriter | None = None
