"""Captions: who said what, as it is said, on LiveKit's topic `lk.transcription`."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

from livekit import rtc
from livekit.agents.types import (
    ATTRIBUTE_TRANSCRIPTION_FINAL,
    ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID,
    ATTRIBUTE_TRANSCRIPTION_TRACK_ID,
    TOPIC_TRANSCRIPTION,
)
from livekit.agents.voice import io

import protocol
from agent.text.lines import Line, Sentence
from courses.sentences import split_sentences

MAX_PLANNED_CHARS = 2000  # of what is to come: more than a page shows, less than a packet holds

logger = logging.getLogger(__name__)


class Captions:
    """Writes caption streams into a room. A failed caption is logged and never stops the talk."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._waiting: deque[tuple[str, str, str, bool]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def learner(self, identity: str, segment_id: str, text: str, *, final: bool) -> None:
        """The whole text of a learner's utterance so far, under their own identity.

        Returns at once: the turn does not wait for its caption. Captions leave in order.
        """
        self._waiting.append((identity, segment_id, text, final))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting(), name="captions")

    async def close(self) -> None:
        """Returns when what waits was sent, or after 2 s."""
        for task in self._telling:
            task.cancel()
        if self._sender is not None:
            await asyncio.wait({self._sender}, timeout=2.0)
            self._sender.cancel()

    async def _send_waiting(self) -> None:
        while self._waiting:
            identity, segment_id, text, final = self._waiting.popleft()
            try:
                writer = await self.open(segment_id, identity, final=final)
                await writer.write(text)
                await writer.aclose()
            except Exception:  # noqa: BLE001 the native layer raises it bare
                logger.warning("caption not sent", extra={"segment": segment_id})

    def planned(self, message: protocol.AnswerPlanned) -> None:
        """Tells what the tutor is about to say. Returns at once: the voice does not wait for it."""
        task = asyncio.create_task(self._tell(message))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, message: protocol.AnswerPlanned) -> None:
        try:
            await self._room.local_participant.publish_data(
                protocol.dump(message), topic=protocol.TOPIC_ANSWER_PLANNED
            )
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("plan not sent", extra={"segment": message.segment_id})

    async def open(self, segment_id: str, identity: str, *, final: bool) -> rtc.TextStreamWriter:
        attributes = {
            ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID: segment_id,
            ATTRIBUTE_TRANSCRIPTION_FINAL: "true" if final else "false",
        }
        if track := self._microphone_of(identity):
            attributes[ATTRIBUTE_TRANSCRIPTION_TRACK_ID] = track
        return await self._room.local_participant.stream_text(
            topic=TOPIC_TRANSCRIPTION, sender_identity=identity, attributes=attributes
        )

    def _microphone_of(self, identity: str) -> str | None:
        local = self._room.local_participant
        everybody = {**self._room.remote_participants, local.identity: local}
        participant = everybody.get(identity)
        publications = participant.track_publications.values() if participant else ()
        for publication in publications:
            if publication.source == rtc.TrackSource.SOURCE_MICROPHONE:
                return publication.sid
        return None


class TutorCaptions(io.TextOutput):
    """The end of the tutor's text: words arrive as they are spoken and leave as sentences.

    `keep` makes a sentence durable; the caption is marked final only after it returned.
    """

    def __init__(
        self,
        captions: Captions,
        room: rtc.Room,
        *,
        next_id: Callable[[], str],
        keep: Callable[[Sentence], Awaitable[None]],
    ) -> None:
        super().__init__(label="bodh-captions", next_in_chain=None)
        self._captions = captions
        self._room = room
        self._next_id = next_id
        self._keep = keep
        self._lines: deque[Line] = deque()
        self._spoken: _Spoken | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def expect(self, line: Line) -> None:
        """A line that comes next; one that is cut before its first word never comes."""
        self._lines.append(line)

    async def capture_text(self, text: str) -> None:
        if self._spoken is None:
            self._spoken = _Spoken(self._line_of(text))
        spoken = self._spoken
        spoken.text += text
        sentences = split_sentences(spoken.text[spoken.done :])
        for sentence in sentences[:-1]:
            await self._end_sentence(spoken, sentence, interrupted=False)
        await self._show(spoken)

    def flush(self) -> None:
        spoken, self._spoken = self._spoken, None
        if spoken is not None:
            cut = spoken.text.strip() != spoken.line.text.strip()
            if cut and spoken.last_id:
                self._plan(spoken, cut=True)
            task = asyncio.create_task(self._finish(spoken, cut=cut))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _line_of(self, first_words: str) -> Line:
        """The expected line that begins so; those before it were never heard."""
        while self._lines:
            line = self._lines.popleft()
            if line.text.strip().startswith(first_words.strip()):
                return line
        return Line(text=first_words)

    async def drained(self) -> None:
        """Returns when every sentence that was flushed is kept."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _finish(self, spoken: "_Spoken", *, cut: bool) -> None:
        rest = spoken.text[spoken.done :]
        if rest.strip():
            await self._end_sentence(spoken, rest, interrupted=cut)

    async def _show(self, spoken: "_Spoken") -> None:
        rest = spoken.text[spoken.done + spoken.shown :]
        if not rest.strip() and not spoken.shown:
            return
        try:
            if spoken.writer is None:
                spoken.sentence_id = spoken.last_id = self._next_id()
                spoken.begun = spoken.done
                self._plan(spoken, cut=False)
                spoken.started_at = time.time()
                identity = self._room.local_participant.identity
                spoken.writer = await self._captions.open(spoken.sentence_id, identity, final=False)
            await spoken.writer.write(rest)
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("caption not sent", extra={"segment": spoken.sentence_id})
        spoken.shown += len(rest)

    def _plan(self, spoken: "_Spoken", *, cut: bool) -> None:
        text = spoken.line.text[spoken.begun :].strip()[:MAX_PLANNED_CHARS]
        self._captions.planned(
            protocol.AnswerPlanned(segment_id=spoken.last_id, text=text, cut=cut)
        )

    async def _end_sentence(self, spoken: "_Spoken", text: str, *, interrupted: bool) -> None:
        shown_part = text[spoken.shown :]
        begin, spoken.done = spoken.done, spoken.done + len(text)
        marks = tuple(m for m in spoken.line.marks if begin < max(m.offset, 1) <= spoken.done)
        sentence = Sentence(
            id=spoken.sentence_id or self._next_id(),
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
            await self._keep(sentence)
        await self._close(writer, sentence.id, shown_part)

    async def _close(self, writer: rtc.TextStreamWriter | None, segment_id: str, rest: str) -> None:
        try:
            identity = self._room.local_participant.identity
            writer = writer or await self._captions.open(segment_id, identity, final=False)
            if rest:
                await writer.write(rest)
            await writer.aclose(attributes={ATTRIBUTE_TRANSCRIPTION_FINAL: "true"})
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("caption not ended", extra={"segment": segment_id})


class _Spoken:
    """The state of one speech: `done` characters stand in ended sentences, `shown` of the rest."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.text = ""
        self.done = 0
        self.shown = 0
        self.sentence_id = ""
        self.last_id = ""  # of the sentence that was shown last, and where in the text it began
        self.begun = 0
        self.started_at = 0.0
        self.writer: rtc.TextStreamWriter | None = None
