"""What the previous agents of a session left: the conversations so far and unanswered turns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

import db
from agent.durable.journal import NOT_HEARD
from agent.durable.spool import Entry, Spool
from agent.room.dispatch import Dispatch
from db.accounts import list_identities_by_id
from db.attendance import was_present
from db.erasing import ErasedWords, list_erased_words
from db.event_chain import SessionEvent
from db.event_kinds import TurnRetried
from db.events import append_event, list_events
from db.heard_transcripts import list_listeners
from db.leases import select_dispatch
from db.quizzes import find_last_quiz_step
from db.rooms import find_room_learner
from db.transcripts import Segment, list_latest_segments

CONTEXT_SEGMENTS = 200  # segments of the session, of all its learners together
CUT_TURN_LIFE = timedelta(seconds=30)  # older questions are answered only if asked again
PRESENT_WITHIN = timedelta(seconds=30)  # who left this shortly before the loss counts as present

_segments = TypeAdapter(Segment)


@dataclass(frozen=True)
class CutTurn:
    """What a learner has said since their last answer, in spoken order. Never empty.

    `fatal` are the segments that an agent has already answered again, and was lost too.
    """

    segments: Sequence[Segment]
    fatal: Sequence[Segment]

    @property
    def first_segment(self) -> Segment:
        return (*self.fatal, *self.segments)[0]


@dataclass(frozen=True)
class EarlierTurns:
    """The session before this agent took over. `segments` have words and are in spoken order.

    `identities` maps accounts to identities, and `listeners` segments to the identities that heard
    them.
    """

    dispatch: Dispatch
    segments: Sequence[Segment]
    identities: Mapping[UUID, str]
    listeners: Mapping[str, Collection[str]]
    cut: Mapping[UUID, CutTurn]  # by account: the unanswered turn

    def segments_without_fatal(self) -> list[Segment]:
        """All segments except fatal ones, which might end this agent too."""
        fatal = {segment.id for turn in self.cut.values() for segment in turn.fatal}
        return [segment for segment in self.segments if segment.id not in fatal]

    def owner_of(self, segment: Segment) -> str | None:
        """The identity whose words these are: the speaker's, or the one the tutor spoke to."""
        if segment.role == "learner":
            return segment.identity
        asked = (one.identity for one in self.segments if one.id == segment.in_reply_to)
        told = self.identities.get(segment.to_account_id) if segment.to_account_id else None
        return told or next(asked, None)

    async def query_was_cut_off(self, pool: db.Pool, account_id: UUID) -> bool:
        """Whether the learner was greeted by the earlier agent and present when it was lost."""
        tenant_id, session = self.dispatch.tenant_id, self.dispatch.session
        async with db.tenant_tx(pool, tenant_id) as conn:
            row = await find_room_learner(conn, tenant_id, self.dispatch.room.id, account_id)
            if not row or not row.greeted_at or row.greeted_at < session.started_at:
                return False
            last = await select_dispatch(conn, tenant_id, session.id)
            lost_at = last.dispatched_at or row.greeted_at
            return await was_present(
                conn, tenant_id, session.id, account_id, lost_at, PRESENT_WITHIN
            )

    def recent_cut_turn(self, account_id: UUID, now: datetime) -> CutTurn | None:
        """The learner's unanswered turn. None if it is older than CUT_TURN_LIFE and not fatal."""
        turn = self.cut.get(account_id)
        if turn is None:
            return None
        is_young = turn.segments and now - turn.segments[-1].ended_at < CUT_TURN_LIFE
        young = turn.segments if is_young else ()
        return CutTurn(young, turn.fatal) if young or turn.fatal else None

    async def append_retry_events(self, pool: db.Pool, turn: CutTurn, now: datetime) -> None:
        """Logs that this agent answers the turn again, before it does.

        If this agent is lost too, its successor reads the log and does not try a third time.
        """
        tenant_id, session_id = self.dispatch.tenant_id, self.dispatch.session.id
        async with db.tenant_tx(pool, tenant_id) as conn:
            for one in turn.segments:
                event = TurnRetried(segment_id=one.id, epoch=self.dispatch.epoch)
                key = f"retried:{one.id}"
                await append_event(conn, tenant_id, session_id, event, now, key=key)


async def load_earlier_turns(
    pool: db.Pool, spool: Spool, dispatch: Dispatch
) -> EarlierTurns | None:
    """Reads the session so far, from the database and from this host's spool.

    Returns None for the first agent of a session.
    """
    if dispatch.epoch == 1:
        return None
    # read the spool first: an entry drained between the two reads is seen twice instead of lost
    waiting = await spool.list_waiting_segments(dispatch.session.id)
    tenant_id, session_id = dispatch.tenant_id, dispatch.session.id
    async with db.tenant_tx(pool, tenant_id) as conn:
        stored = await list_latest_segments(conn, tenant_id, session_id, CONTEXT_SEGMENTS)
        erased = await list_erased_words(conn, tenant_id, [session_id])
        listeners = await list_listeners(conn, tenant_id, session_id)
        told = {one.to_account_id for one in stored if one.to_account_id}
        identities = await list_identities_by_id(conn, tenant_id, told)
        events = await list_events(conn, tenant_id, session_id)
        segments = _merge_in_spoken_order(waiting, stored, erased)
        cut = [
            turn
            for turn in _unanswered_turns(segments, _retried_segments(events))
            if not await _tool_acted_since(conn, dispatch, turn, events)
        ]
    by_account = {
        turn.first_segment.account_id: turn for turn in cut if turn.first_segment.account_id
    }
    return EarlierTurns(dispatch, segments, identities, listeners, by_account)


def _merge_in_spoken_order(
    waiting: Iterable[Entry], stored: Iterable[Segment], erased: Sequence[ErasedWords]
) -> list[Segment]:
    by_id = {segment.id: segment for segment in [*_parse_segments(waiting), *stored]}
    gone = {one.id for one in by_id.values() if _is_erased(one, erased)}
    talk = sorted(by_id.values(), key=lambda segment: (segment.epoch, segment.local_seq))
    return [
        segment
        for segment in talk
        if segment.text not in ("", NOT_HEARD) and not {segment.id, segment.in_reply_to} & gone
    ]


def _is_erased(segment: Segment, erased: Sequence[ErasedWords]) -> bool:
    """Whether it is erased, although a spool may still hold it."""
    return any(
        segment.id in one.segment_ids
        or (segment.account_id == one.account_id and segment.started_at <= one.erased_at)
        for one in erased
    )


def _unanswered_turns(segments: Iterable[Segment], retried: Collection[str]) -> Iterable[CutTurn]:
    """What each learner has said since their last answer."""
    said = list(segments)
    answered = {segment.in_reply_to for segment in said}
    waiting: dict[UUID | None, list[Segment]] = {}
    for segment in said:
        if segment.role == "learner":
            waiting.setdefault(segment.account_id, []).append(segment)
            if segment.id in answered:
                waiting[segment.account_id].clear()
    for mine in filter(None, waiting.values()):
        yield CutTurn(
            segments=[one for one in mine if one.id not in retried],
            fatal=[one for one in mine if one.id in retried],
        )


def _retried_segments(events: Iterable[SessionEvent]) -> set[str]:
    return {event.payload["segment_id"] for event in events if event.type == "turn.retried"}


async def _tool_acted_since(
    conn: db.Connection, dispatch: Dispatch, turn: CutTurn, events: Iterable[SessionEvent]
) -> bool:
    """Whether the turn already changed the quiz or lesson, and answering it would do so again."""
    account_id, begun_at = turn.first_segment.account_id, turn.first_segment.started_at
    if account_id is None:
        return False
    step = await find_last_quiz_step(conn, dispatch.tenant_id, account_id)
    changes = [
        event.at
        for event in events
        if event.type == "lesson.changed"
        and event.payload["identity"] == turn.first_segment.identity
    ]
    return any(at > begun_at for at in [*changes, step] if at is not None)


def _parse_segments(entries: Iterable[Entry]) -> list[Segment]:
    found = []
    for entry in entries:
        try:
            found.append(_segments.validate_python(entry.payload))
        except ValidationError:
            continue  # the drainer makes it a dead letter
    return found
