"""The kinds of events in a session's log, each with a typed, versioned payload.

Payloads hold ids and numbers only: words belong in tables from which they can be deleted. People
appear as their LiveKit identity, a pseudonym that only the row of their account resolves. To change
a payload, add a model with the next `version` and keep the old one for existing logs.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from protocol import SessionKind

Sid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
RoomSid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
Identity = Annotated[str, StringConstraints(pattern=r"^[a-z]_[A-Za-z0-9_-]{1,126}$")]
SegmentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.-]{1,128}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]  # every JSON parser keeps it exact


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SessionStarted(_Payload):
    """The first event of a log: a teacher started a class, or a room was created (K21)."""

    type: Literal["session.started"] = "session.started"
    version: Literal[1] = 1
    kind: SessionKind
    room_id: UUID
    room_sid: RoomSid


class BothPresent(_Payload):
    type: Literal["session.both_present"] = "session.both_present"
    version: Literal[1] = 1


class SessionResumed(_Payload):
    type: Literal["session.resumed"] = "session.resumed"
    version: Literal[1] = 1
    room_sid: RoomSid


class SessionEnded(_Payload):
    type: Literal["session.ended"] = "session.ended"
    version: Literal[1] = 1
    status: Literal["completed", "cancelled", "no_show"] = "completed"


class ParticipantJoined(_Payload):
    """One event per connection, none per token (K22), and few for somebody who joins often."""

    type: Literal["participant.joined"] = "participant.joined"
    version: Literal[2] = 2
    identity: Identity
    sid: Sid


class ParticipantLeft(_Payload):
    type: Literal["participant.left"] = "participant.left"
    version: Literal[2] = 2
    identity: Identity
    sid: Sid


class ParticipantRestricted(_Payload):
    type: Literal["participant.restricted"] = "participant.restricted"
    version: Literal[1] = 1
    identity: Identity
    kind: Literal["removed", "muted"]
    by: Identity


class ParticipantReleased(_Payload):
    type: Literal["participant.released"] = "participant.released"
    version: Literal[1] = 1
    identity: Identity
    by: Identity


class AgentDispatched(_Payload):
    type: Literal["agent.dispatched"] = "agent.dispatched"
    version: Literal[1] = 1
    epoch: Count


class AgentLost(_Payload):
    type: Literal["agent.lost"] = "agent.lost"
    version: Literal[1] = 1
    epoch: Count


class AgentLeft(_Payload):
    """The agent of that epoch left because its worker drains."""

    type: Literal["agent.left"] = "agent.left"
    version: Literal[1] = 1
    epoch: Count


class TurnRetried(_Payload):
    """The agent of that epoch answers a turn again, during which the agent before it was lost."""

    type: Literal["turn.retried"] = "turn.retried"
    version: Literal[1] = 1
    epoch: Count
    segment_id: SegmentId


class LessonChanged(_Payload):
    """A learner's lesson changed. Also logged for the lesson with which they enter."""

    type: Literal["lesson.changed"] = "lesson.changed"
    version: Literal[2] = 2
    identity: Identity
    lesson_id: UUID
    revision: Count


class ChatMessage(_Payload):
    """A typed message; the words are in the segment. `identity` is None for the tutor."""

    type: Literal["chat.message"] = "chat.message"
    version: Literal[2] = 2
    identity: Identity | None
    segment_id: SegmentId


class SceneSwitched(_Payload):
    type: Literal["scene.switched"] = "scene.switched"
    version: Literal[1] = 1
    scene_id: UUID


class SlideAdvanced(_Payload):
    """`slide` counts from 1."""

    type: Literal["slide.advanced"] = "slide.advanced"
    version: Literal[1] = 1
    asset_id: UUID
    slide: Count


LifeEvent: TypeAlias = SessionStarted | BothPresent | SessionResumed | SessionEnded
PresenceEvent: TypeAlias = (
    ParticipantJoined | ParticipantLeft | ParticipantRestricted | ParticipantReleased
)
AgentEvent: TypeAlias = AgentDispatched | AgentLost | AgentLeft | TurnRetried
StageEvent: TypeAlias = LessonChanged | ChatMessage | SceneSwitched | SlideAdvanced
Event: TypeAlias = LifeEvent | PresenceEvent | AgentEvent | StageEvent

KINDS: Mapping[tuple[str, int], type[Event]] = {
    (model.model_fields["type"].default, model.model_fields["version"].default): model
    for model in get_args(Event)
}


def payload_of(event: Event) -> dict[str, Any]:
    return event.model_dump(mode="json", exclude={"type", "version"})


def parse_event(kind: str, version: int, payload: Mapping[str, Any]) -> Event:
    """Raises ValueError for an unknown kind or an invalid payload."""
    model = KINDS.get((kind, version))
    if model is None:
        raise ValueError(f"no model of {kind} version {version}")
    return model.model_validate(payload)
