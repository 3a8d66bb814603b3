"""The session's record: segments and presence go to the spool before anything depends on them."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

from pydantic import TypeAdapter

import protocol
from agent.durable.spool import Entry, Kind, Spool
from agent.durable.spool_writer import SpoolWriter
from agent.room.dispatch import Dispatch
from agent.room.learner import UNKNOWN, Connection, Learner, Roster
from agent.text.lines import Sentence
from db.stays import ParticipantRow
from db.transcripts import Segment
from telemetry import metrics

TUTOR_NAME = "Bodh"
NOT_HEARD = "[not heard]"  # a gap in the transcript
WITHOUT_WORDS: dict[str, Any] = {"text": "", "name": "", "language": None, "confidence": None}
MAX_HELD = 1000  # segments: more than half an hour of conversation

logger = logging.getLogger(__name__)
_segments = TypeAdapter(Segment)
_presences = TypeAdapter(ParticipantRow)


@dataclass(frozen=True)
class Utterance:
    """What a learner said or typed; times are epoch seconds."""

    segment_id: str
    text: str
    source: Literal["voice", "text"]
    started_at: float
    ended_at: float
    language: str | None = None
    confidence: float | None = None


class Journal:
    """Writes a session's entries; without the words of learners who opted out of storage.

    Words wait in memory while their learner is unknown, because the database is away.
    `held_changes` receives True when words begin to wait, and False when none wait any more.
    """

    def __init__(self, spool: Spool, dispatch: Dispatch, roster: Roster) -> None:
        self.writer = SpoolWriter(spool)
        self.held_changes: asyncio.Queue[bool] = asyncio.Queue()
        self._dispatch = dispatch
        self.roster = roster
        self._ids = count(1)
        self._order = count(1)
        self._held: deque[_Held] = deque()
        self._reported = False  # the last value of `held_changes`

    def next_segment_id(self) -> str:
        return f"{self._dispatch.epoch}-{next(self._ids)}"

    async def record_utterance(self, learner: Learner, said: Utterance) -> None:
        segment = self._new_segment(
            id=said.segment_id,
            account_id=learner.account_id,
            identity=learner.identity,
            name=learner.name,
            role="learner",
            source=said.source,
            text=said.text,
            started_at=utc_from_epoch(said.started_at),
            ended_at=utc_from_epoch(said.ended_at),
            lesson_id=learner.lesson_id,
            language=said.language,
            confidence=said.confidence,
        )
        await self._store_or_hold(segment, [learner])

    async def record_sentence(self, sentence: Sentence) -> None:
        dispatch, to = self._dispatch, self.roster.get(sentence.line.identity)
        segment = self._new_segment(
            id=sentence.id,
            account_id=None,
            identity=protocol.agent_identity(dispatch.session.id, dispatch.epoch),
            name=TUTOR_NAME,
            role="tutor",
            source="voice",
            text=sentence.text,
            started_at=utc_from_epoch(sentence.started_at),
            ended_at=utc_from_epoch(sentence.ended_at),
            lesson_id=sentence.line.lesson_id,
            language="en",
            interrupted=sentence.interrupted,
            in_reply_to=sentence.line.in_reply_to,
            to_account_id=None if to is None else to.account_id,
        )
        # a sentence to nobody in particular may contain anybody's words
        await self._store_or_hold(segment, [to] if to else list(self.roster))

    async def store_or_drop_held(self) -> None:
        for _ in range(len(self._held)):
            held = self._held.popleft()
            await self._store_or_hold(held.segment, held.learners)
        self._report_held()

    async def close(self) -> None:
        """What still waits is lost. Closes the spool writer."""
        while self._held:
            self._lose_segment(self._held.popleft())
        await self.writer.close()

    async def record_join(self, learner: Learner, connection: Connection) -> None:
        """Call it once the learner is known."""
        await self._write_presence(learner, connection, left_at=None)

    async def record_leave(self, learner: Learner, connection: Connection) -> None:
        await self._write_presence(learner, connection, left_at=datetime.now(UTC))

    def _new_segment(self, **columns: Any) -> Segment:
        defaults = {
            "confidence": None,
            "interrupted": False,
            "in_reply_to": None,
            "provenance": "live",
        }
        return Segment(
            session_id=self._dispatch.session.id,
            epoch=self._dispatch.epoch,
            local_seq=next(self._order),
            **(defaults | columns),
        )

    async def _store_or_hold(self, segment: Segment, learners: Sequence[Learner]) -> None:
        """Stores a segment by the choice of these learners, or holds it until they are known.

        Drops what belongs to somebody who turned out to be no learner of this room.
        """
        choices = {learner.store_words for learner in learners}
        if False in choices:
            segment = replace(segment, **WITHOUT_WORDS)
        if UNKNOWN in (segment.account_id, segment.to_account_id):
            (learner,) = learners
            if learner.refused:
                return
            if learner.known:
                segment = _fill_in_learner(segment, learner)
            else:
                self._hold_segment(_Held(segment, learners))
                return
        if None in choices and False not in choices:
            self._hold_segment(_Held(segment, learners))
        else:
            await self._store_segment(segment)

    def _hold_segment(self, held: "_Held") -> None:
        self._held.append(held)
        self._report_held()
        if len(self._held) > MAX_HELD:
            self._lose_segment(self._held.popleft())

    def _report_held(self) -> None:
        words_wait = any(held.segment.text for held in self._held)
        if words_wait != self._reported:
            self._reported = words_wait
            self.held_changes.put_nowait(self._reported)

    def _lose_segment(self, held: "_Held") -> None:
        segment = held.segment
        if not segment.text:
            return
        metrics.HELD_LOST.inc()
        facts = {"session_id": str(segment.session_id), "segment_id": segment.id}
        logger.error("words are lost: their learner could not be read in time", extra=facts)

    async def _store_segment(self, segment: Segment) -> None:
        await self._write_entry("segment", segment.id, _segments.dump_python(segment, mode="json"))

    async def _write_presence(
        self, learner: Learner, connection: Connection, *, left_at: datetime | None
    ) -> None:
        presence = ParticipantRow(
            session_id=self._dispatch.session.id,
            sid=connection.sid,
            account_id=learner.account_id,
            joined_at=connection.joined_at,
            left_at=left_at,
        )
        key = f"{connection.sid}:{'left' if left_at else 'joined'}"
        await self._write_entry("participant", key, _presences.dump_python(presence, mode="json"))

    async def _write_entry(self, kind: Kind, key: str, payload: dict[str, Any]) -> None:
        dispatch = self._dispatch
        await self.writer.write_entry(
            Entry(dispatch.tenant_id, dispatch.session.id, kind, key, payload)
        )


@dataclass(frozen=True)
class _Held:
    """A segment that waits until all these learners are known."""

    segment: Segment
    learners: Sequence[Learner]


def _fill_in_learner(segment: Segment, learner: Learner) -> Segment:
    """Fills in what was not known when the segment was made."""
    if segment.role == "tutor":
        return replace(segment, to_account_id=learner.account_id)
    return replace(
        segment,
        account_id=learner.account_id,
        name=learner.name if segment.text else "",
        lesson_id=learner.lesson_id,
    )


def utc_from_epoch(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
