"""What the previous agent of a session left: the conversation so far and unanswered turns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from livekit.agents import llm
from pydantic import TypeAdapter, ValidationError

import db
from agent.durable.journal import NOT_HEARD
from agent.durable.spool import Entry, Spool
from agent.room.dispatch import Dispatch
from db.attendance import was_present
from db.events import list_events
from db.leases import select_dispatch
from db.quizzes import find_last_quiz_step
from db.rooms import find_room_learner
from db.transcripts import Segment, list_latest_segments

CONTEXT_SEGMENTS = 40  # segments of context for the next agent
CUT_TURN_LIFE = timedelta(seconds=30)  # older questions are answered only if asked again
PRESENT_WITHIN = timedelta(seconds=30)  # who left this shortly before the loss counts as present

_segments = TypeAdapter(Segment)


@dataclass(frozen=True)
class EarlierTurns:
    """The session before this agent took over. `segments` have words and are in spoken order."""

    dispatch: Dispatch
    segments: Sequence[Segment]
    cut: Mapping[UUID, Segment]  # by account: the unanswered turn

    def chat_context(self) -> llm.ChatContext:
        context = llm.ChatContext.empty()
        begun = {turn.account_id: turn.started_at for turn in self.cut.values()}
        known = (
            segment
            for segment in self.segments
            if segment.account_id not in begun or segment.started_at < begun[segment.account_id]
        )
        for role, turn in groupby(known, key=lambda segment: segment.role):
            said = list(turn)
            context.add_message(
                role="user" if role == "learner" else "assistant",
                content=" ".join(segment.text for segment in said),
                interrupted=said[-1].interrupted,
                created_at=said[0].started_at.timestamp(),
            )
        return context

    async def was_cut_off(self, pool: db.Pool, account_id: UUID) -> bool:
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

    def recent_cut_turn(self, account_id: UUID, now: datetime) -> Segment | None:
        """The learner's unanswered turn as one segment; None if it is older than CUT_TURN_LIFE."""
        turn = self.cut.get(account_id)
        return turn if turn and now - turn.ended_at < CUT_TURN_LIFE else None


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
    async with db.tenant_tx(pool, dispatch.tenant_id) as conn:
        stored = await list_latest_segments(
            conn, dispatch.tenant_id, dispatch.session.id, CONTEXT_SEGMENTS
        )
        segments = _merge_in_spoken_order(waiting, stored)
        cut = [
            turn
            for turn in _join_unanswered_turns(segments)
            if not await _tool_acted_since(conn, dispatch, turn)
        ]
    return EarlierTurns(
        dispatch, segments, {turn.account_id: turn for turn in cut if turn.account_id}
    )


def _merge_in_spoken_order(waiting: Iterable[Entry], stored: Iterable[Segment]) -> list[Segment]:
    by_id = {segment.id: segment for segment in [*_parse_segments(waiting), *stored]}
    talk = sorted(by_id.values(), key=lambda segment: (segment.epoch, segment.local_seq))
    return [segment for segment in talk if segment.text not in ("", NOT_HEARD)][-CONTEXT_SEGMENTS:]


def _join_unanswered_turns(segments: Iterable[Segment]) -> Iterable[Segment]:
    """What each learner has said since their last answer, as one segment."""
    said = list(segments)
    answered = {segment.in_reply_to for segment in said}
    waiting: dict[UUID | None, list[Segment]] = {}
    for segment in said:
        if segment.role == "learner":
            waiting.setdefault(segment.account_id, []).append(segment)
            if segment.id in answered:
                waiting[segment.account_id].clear()
    for mine in filter(None, waiting.values()):
        text = " ".join(segment.text for segment in mine)
        yield replace(mine[-1], text=text, started_at=mine[0].started_at)


async def _tool_acted_since(conn: db.Connection, dispatch: Dispatch, turn: Segment) -> bool:
    """Whether the turn already changed the quiz or lesson, and answering it would do so again."""
    if turn.account_id is None:
        return False
    step = await find_last_quiz_step(conn, dispatch.tenant_id, turn.account_id)
    changes = [
        event.at
        for event in await list_events(conn, dispatch.tenant_id, dispatch.session.id)
        if event.type == "lesson.changed" and event.payload["identity"] == turn.identity
    ]
    return any(at > turn.started_at for at in [*changes, step] if at is not None)


def _parse_segments(entries: Iterable[Entry]) -> list[Segment]:
    found = []
    for entry in entries:
        try:
            found.append(_segments.validate_python(entry.payload))
        except ValidationError:
            continue  # the drainer makes it a dead letter
    return found
