"""The kinds of events in a session's log, each with a typed, versioned payload.

Payloads hold ids and numbers only: words belong in tables from which they can be deleted. To change
a payload, add a model with the next `version` and keep the old one for existing logs.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from protocol import SessionKind

Sid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
RoomSid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
SegmentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.-]{1,128}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]  # every JSON parser keeps it exact


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SessionStarted(_Payload):
    """Opens every log: when the teacher starts a class, else when the room is created (K21)."""

    type: Literal["session.started"] = "session.started"
    version: Literal[1] = 1
    kind: SessionKind
    room_id: UUID
    room_sid: RoomSid


class BothPresent(_Payload):
    """Mentor and learner are both present for the first time (K21)."""

    type: Literal["session.both_present"] = "session.both_present"
    version: Literal[1] = 1


class SessionResumed(_Payload):
    """The room was lost with its server; the session goes on in a new one."""

    type: Literal["session.resumed"] = "session.resumed"
    version: Literal[1] = 1
    room_sid: RoomSid


class SessionEnded(_Payload):
    """The session is over. Late events may still follow."""

    type: Literal["session.ended"] = "session.ended"
    version: Literal[1] = 1
    status: Literal["completed", "cancelled", "no_show"] = "completed"


class ParticipantJoined(_Payload):
    """A person joined the room: one event per connection, none per token (K22)."""

    type: Literal["participant.joined"] = "participant.joined"
    version: Literal[1] = 1
    account_id: UUID
    sid: Sid


class ParticipantLeft(_Payload):
    type: Literal["participant.left"] = "participant.left"
    version: Literal[1] = 1
    account_id: UUID
    sid: Sid


class AgentDispatched(_Payload):
    """An agent was dispatched; agents of older epochs are silent from here on."""

    type: Literal["agent.dispatched"] = "agent.dispatched"
    version: Literal[1] = 1
    epoch: Count


class AgentLost(_Payload):
    """The agent of that epoch sent no heartbeat and is replaced."""

    type: Literal["agent.lost"] = "agent.lost"
    version: Literal[1] = 1
    epoch: Count


class AgentLeft(_Payload):
    """The agent of that epoch left on purpose: its worker drains."""

    type: Literal["agent.left"] = "agent.left"
    version: Literal[1] = 1
    epoch: Count


class LessonChanged(_Payload):
    """The lesson an account is on from here on, including the one it enters with."""

    type: Literal["lesson.changed"] = "lesson.changed"
    version: Literal[1] = 1
    account_id: UUID
    lesson_id: UUID
    revision: Count


class ChatMessage(_Payload):
    """Somebody typed; the words are in the segment. Without an account: the tutor."""

    type: Literal["chat.message"] = "chat.message"
    version: Literal[1] = 1
    account_id: UUID | None
    segment_id: SegmentId


class SceneSwitched(_Payload):
    """The studio shows another scene."""

    type: Literal["scene.switched"] = "scene.switched"
    version: Literal[1] = 1
    scene_id: UUID


class SlideAdvanced(_Payload):
    """A slide of a studio asset is shown, counted from 1."""

    type: Literal["slide.advanced"] = "slide.advanced"
    version: Literal[1] = 1
    asset_id: UUID
    slide: Count


LifeEvent: TypeAlias = SessionStarted | BothPresent | SessionResumed | SessionEnded
PresenceEvent: TypeAlias = ParticipantJoined | ParticipantLeft
AgentEvent: TypeAlias = AgentDispatched | AgentLost | AgentLeft
StageEvent: TypeAlias = LessonChanged | ChatMessage | SceneSwitched | SlideAdvanced
Event: TypeAlias = LifeEvent | PresenceEvent | AgentEvent | StageEvent

KINDS: Mapping[tuple[str, int], type[Event]] = {
    (model.model_fields["type"].default, model.model_fields["version"].default): model
    for model in get_args(Event)
}


def payload_of(event: Event) -> dict[str, Any]:
    """The stored JSON; type and version have columns of their own."""
    return event.model_dump(mode="json", exclude={"type", "version"})


def parse_event(kind: str, version: int, payload: Mapping[str, Any]) -> Event:
    """The event of a stored row. Raises ValueError if no model describes it."""
    model = KINDS.get((kind, version))
    if model is None:
        raise ValueError(f"no model of {kind} version {version}")
    return model.model_validate(payload)
