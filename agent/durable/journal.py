"""What is kept of a room: segments and presence go to the spool before they have an effect."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

from pydantic import TypeAdapter

from agent.durable.notes import Notes
from agent.durable.spool import Entry, Kind, Spool
from agent.room.dispatch import Dispatch
from agent.room.learner import LearnerLesson
from agent.text.lines import Sentence
from db.stays import Participant
from db.transcripts import Segment

TUTOR_NAME = "Bodh"
NOT_HEARD = "[not heard]"  # a gap in the transcript
WITHOUT_WORDS = {"text": "", "name": "", "language": None, "confidence": None}

_segments = TypeAdapter(Segment)
_presences = TypeAdapter(Participant)


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
    """Makes one session's entries; the talk goes on whether `notes` can write them or not."""

    def __init__(self, spool: Spool, place: Dispatch) -> None:
        self.notes = Notes(spool)
        self._place = place
        self._ids = count(1)
        self._order = count(1)
        self._arrived_at: dict[str, datetime] = {}  # participant sid -> joined

    def next_id(self) -> str:
        """A segment id that no other job of this session makes."""
        return f"{self._place.epoch}-{next(self._ids)}"

    async def learner_said(self, learner: LearnerLesson, said: Utterance) -> None:
        """Keeps what a learner said; of one who chose so only that they spoke, and when."""
        await self._keep(
            words=learner.store_words is not False,
            id=said.segment_id,
            account_id=learner.account_id,
            identity=learner.identity,
            name=learner.name,
            role="learner",
            source=said.source,
            text=said.text,
            started_at=_utc(said.started_at),
            ended_at=_utc(said.ended_at),
            lesson_id=learner.lesson_id,
            language=said.language,
            confidence=said.confidence,
        )

    async def tutor_said(self, identity: str, sentence: Sentence, to: LearnerLesson | None) -> None:
        """Keeps what the tutor said; to one who chose so only that it spoke, and when."""
        await self._keep(
            words=to is None or to.store_words is not False,
            id=sentence.id,
            account_id=None,
            identity=identity,
            name=TUTOR_NAME,
            role="tutor",
            source="voice",
            text=sentence.text,
            started_at=_utc(sentence.started_at),
            ended_at=_utc(sentence.ended_at),
            lesson_id=sentence.line.lesson_id,
            language="en",
            interrupted=sentence.interrupted,
            in_reply_to=sentence.line.in_reply_to,
        )

    async def joined(self, learner: LearnerLesson, sid: str) -> None:
        self._arrived_at[sid] = datetime.now(UTC)
        await self._keep_presence(learner, sid, left_at=None)

    async def left(self, learner: LearnerLesson, sid: str) -> None:
        await self._keep_presence(learner, sid, left_at=datetime.now(UTC))

    async def _keep(self, *, words: bool, **columns: Any) -> None:
        place = self._place
        if not words:
            columns |= WITHOUT_WORDS
        defaults = {
            "confidence": None,
            "interrupted": False,
            "in_reply_to": None,
            "provenance": "live",
        }
        segment = Segment(
            session_id=place.session.id,
            epoch=place.epoch,
            local_seq=next(self._order),
            **(defaults | columns),
        )
        await self._put("segment", segment.id, _segments.dump_python(segment, mode="json"))

    async def _keep_presence(
        self, learner: LearnerLesson, sid: str, *, left_at: datetime | None
    ) -> None:
        presence = Participant(
            session_id=self._place.session.id,
            sid=sid,
            account_id=learner.account_id,
            joined_at=self._arrived_at.get(sid) or datetime.now(UTC),
            left_at=left_at,
        )
        key = f"{sid}:{'left' if left_at else 'joined'}"
        await self._put("participant", key, _presences.dump_python(presence, mode="json"))

    async def _put(self, kind: Kind, key: str, payload: dict[str, Any]) -> None:
        entry = Entry(self._place.tenant_id, self._place.session.id, kind, key, payload)
        await self.notes.put(entry)


def _utc(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
