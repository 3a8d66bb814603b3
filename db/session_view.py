"""The state of a session, folded from its event log. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Literal, assert_never
from uuid import UUID

from db.event_chain import SessionEvent
from db.event_kinds import (
    AgentDispatched,
    AgentEvent,
    AgentLeft,
    AgentLost,
    BothPresent,
    ChatMessage,
    LessonChanged,
    LifeEvent,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantReleased,
    ParticipantRestricted,
    PresenceEvent,
    SceneSwitched,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    SlideAdvanced,
    StageEvent,
    TurnRetried,
    parse_event,
)
from protocol import SessionKind


@dataclass(frozen=True)
class SessionView:
    """The state of a session according to its log.

    `present` maps participant sids to identities, `restricted` identities to the kind of their
    restriction, `lessons` identities to lessons. `agent_epoch` is 0 before the first dispatch;
    `agent_gone` is True if that agent was lost or left.
    """

    kind: SessionKind
    room_id: UUID
    room_sid: str
    started_at: datetime
    status: Literal["active", "completed", "cancelled", "no_show"] = "active"
    both_present_at: datetime | None = None
    ended_at: datetime | None = None
    present: Mapping[str, str] = field(default_factory=dict)
    restricted: Mapping[str, str] = field(default_factory=dict)
    lessons: Mapping[str, UUID] = field(default_factory=dict)
    agent_epoch: int = 0
    agent_gone: bool = False
    chat_messages: int = 0
    scene_id: UUID | None = None
    slide: tuple[UUID, int] | None = None  # asset, number


def fold_session(events: Sequence[SessionEvent]) -> SessionView:
    """The state at the end of a log.

    Raises ValueError if it does not begin with session.started or has an unknown kind of event.
    """
    if not events:
        raise ValueError("an empty log")
    first = parse_event(events[0].type, events[0].version, events[0].payload)
    if not isinstance(first, SessionStarted):
        raise ValueError("the log does not begin with session.started")
    view = SessionView(first.kind, first.room_id, first.room_sid, events[0].at)
    return reduce(_apply_event, events[1:], view)


def _apply_event(view: SessionView, row: SessionEvent) -> SessionView:
    event = parse_event(row.type, row.version, row.payload)
    if isinstance(event, LifeEvent):
        return _apply_life_event(view, event, row.at)
    if isinstance(event, PresenceEvent):
        return _apply_presence_event(view, event)
    if isinstance(event, AgentEvent):
        return _apply_agent_event(view, event)
    return _apply_stage_event(view, event)


def _apply_life_event(view: SessionView, event: LifeEvent, at: datetime) -> SessionView:
    match event:
        case SessionStarted():
            raise ValueError("a second session.started")
        case BothPresent():
            return replace(view, both_present_at=view.both_present_at or at)
        case SessionResumed():
            return replace(view, room_sid=event.room_sid)
        case SessionEnded():
            return replace(view, status=event.status, ended_at=at)
        case _:
            assert_never(event)


def _apply_presence_event(view: SessionView, event: PresenceEvent) -> SessionView:
    match event:
        case ParticipantJoined():
            return replace(view, present={**view.present, event.sid: event.identity})
        case ParticipantLeft():
            left = {sid: who for sid, who in view.present.items() if sid != event.sid}
            return replace(view, present=left)
        case ParticipantRestricted():
            return replace(view, restricted={**view.restricted, event.identity: event.kind})
        case ParticipantReleased():
            kept = {who: kind for who, kind in view.restricted.items() if who != event.identity}
            return replace(view, restricted=kept)
        case _:
            assert_never(event)


def _apply_agent_event(view: SessionView, event: AgentEvent) -> SessionView:
    match event:
        case AgentDispatched():
            return replace(view, agent_epoch=event.epoch, agent_gone=False)
        case AgentLost() | AgentLeft():
            gone = view.agent_gone or event.epoch == view.agent_epoch
            return replace(view, agent_gone=gone)
        case TurnRetried():
            return view
        case _:
            assert_never(event)


def _apply_stage_event(view: SessionView, event: StageEvent) -> SessionView:
    match event:
        case LessonChanged():
            return replace(view, lessons={**view.lessons, event.identity: event.lesson_id})
        case ChatMessage():
            return replace(view, chat_messages=view.chat_messages + 1)
        case SceneSwitched():
            return replace(view, scene_id=event.scene_id)
        case SlideAdvanced():
            return replace(view, slide=(event.asset_id, event.slide))
        case _:
            assert_never(event)
