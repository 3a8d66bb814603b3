"""The session's record: segments and presence go to the spool before anything depends on them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

from pydantic import TypeAdapter

import protocol
from agent.durable.spool import Entry, Kind, Spool
from agent.durable.spool_writer import SpoolWriter
from agent.room.dispatch import Dispatch
from agent.room.learner import Connection, Learner, Roster
from agent.text.lines import Sentence
from db.stays import ParticipantRow
from db.transcripts import Segment

TUTOR_NAME = "Bodh"
NOT_HEARD = "[not heard]"  # a gap in the transcript
WITHOUT_WORDS = {"text": "", "name": "", "language": None, "confidence": None}

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
    """Writes a session's entries; without the words of learners who opted out of storage."""

    def __init__(self, spool: Spool, dispatch: Dispatch, roster: Roster) -> None:
        self.writer = SpoolWriter(spool)
        self._dispatch = dispatch
        self.roster = roster
        self._ids = count(1)
        self._order = count(1)

    def next_segment_id(self) -> str:
        return f"{self._dispatch.epoch}-{next(self._ids)}"

    async def record_utterance(self, learner: Learner, said: Utterance) -> None:
        await self._write_segment(
            words=learner.store_words is not False,
            id=said.segment_id,
            account_id=learner.account_id,
            identity=learner.identity,
            name=learner.name,
            role="learner",
            source=said.source,
            text=said.text,
            started_at=_utc_from_epoch(said.started_at),
            ended_at=_utc_from_epoch(said.ended_at),
            lesson_id=learner.lesson_id,
            language=said.language,
            confidence=said.confidence,
        )

    async def record_sentence(self, sentence: Sentence) -> None:
        dispatch, to = self._dispatch, self.roster.get(sentence.line.identity)
        await self._write_segment(
            words=to is None or to.store_words is not False,
            id=sentence.id,
            account_id=None,
            identity=protocol.agent_identity(dispatch.session.id, dispatch.epoch),
            name=TUTOR_NAME,
            role="tutor",
            source="voice",
            text=sentence.text,
            started_at=_utc_from_epoch(sentence.started_at),
            ended_at=_utc_from_epoch(sentence.ended_at),
            lesson_id=sentence.line.lesson_id,
            language="en",
            interrupted=sentence.interrupted,
            in_reply_to=sentence.line.in_reply_to,
            to_account_id=None if to is None else to.account_id,
        )

    async def record_join(self, learner: Learner, connection: Connection) -> None:
        await self._write_presence(learner, connection, left_at=None)

    async def record_leave(self, learner: Learner, connection: Connection) -> None:
        await self._write_presence(learner, connection, left_at=datetime.now(UTC))

    async def _write_segment(self, *, words: bool, **columns: Any) -> None:
        if not words:
            columns |= WITHOUT_WORDS
        defaults = {
            "confidence": None,
            "interrupted": False,
            "in_reply_to": None,
            "provenance": "live",
        }
        segment = Segment(
            session_id=self._dispatch.session.id,
            epoch=self._dispatch.epoch,
            local_seq=next(self._order),
            **(defaults | columns),
        )
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


def _utc_from_epoch(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
