"""The wire contract: room and participant metadata, dispatch metadata, data messages."""

import json
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

AGENT_TYPE = "bodh-agent"
AGENT_PREFIX = "a_"  # of identities; people have l_ or m_
MAX_ROOM_METADATA_BYTES = 8 * 1024
MAX_TOKEN_METADATA_BYTES = 4 * 1024
MAX_PARSED_BYTES = 1024 * 1024  # above this a payload is not even looked at
MAX_REVISION = 2**53  # what JavaScript counts exactly
MAX_ROOM_NAME = 256  # LiveKit's limit

TOPIC_LESSON_CHANGE = "lesson.change"  # also the name of the RPC method
TOPIC_ANSWER_CITED = "answer.cited"
TOPIC_ANSWER_PLANNED = "answer.planned"
TOPIC_TURN_LATENCY = "turn.latency"
RPC_SPEECH_STOP = "speech.stop"
RPC_SPEECH_SET = "speech.set"
ATTRIBUTE_MODELS = "bodh.models"
ATTRIBUTE_NOTES = "bodh.notes"  # of the agent: "ok", or "failing" while nothing can be written down

SessionType = Literal[
    "course_welcome", "course_welcome_back", "lesson_welcome", "lesson_welcome_back"
]
Role = Literal["learner", "teacher", "admin"]


_M = TypeVar("_M", bound=BaseModel)


class ProtocolError(Exception):
    """A payload from outside does not have the form it must have; the message is safe to show."""


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")


class RoomMetadata(_Wire):
    """Metadata of a tutor room and of a learner's token: 000's keys, `revision`, `storeWords`."""

    agent_type: str = Field(AGENT_TYPE, alias="agent_type")
    course_id: str = ""
    course_title: str = ""
    module_id: str = ""
    module_title: str = ""
    lesson_id: str | None = None
    lesson_title: str | None = None
    lesson_number: int | None = 1
    video_ids: list[str] = []
    learning_objectives: list[str] = []
    user_id: str = ""
    user_name: str = "User"
    session_type: SessionType = "course_welcome"
    is_first_course_visit: bool = True
    is_intro_lesson: bool = False
    prev_lesson_title: str | None = None
    revision: int = Field(0, ge=0, le=MAX_REVISION)
    store_words: bool = True  # False: nothing that this learner says may be kept


class DispatchMetadata(_Wire):
    """What a dispatch tells its agent job; private to the agent."""

    tenant_id: UUID
    room_id: UUID
    session_id: UUID
    epoch: int


class LessonChange(_Wire):
    """`lesson.change`, as data message or RPC. Without `revision` it is a request, else a hint."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")
    type: Literal["lesson.change"] = "lesson.change"
    lesson_id: UUID
    revision: int | None = Field(None, ge=0, le=MAX_REVISION)


class LessonHeld(_Wire):
    """The answer to RPC `lesson.change`: the lesson and the revision that hold now."""

    lesson_id: UUID
    revision: int


class LessonRefused(_Wire):
    """To the sender alone: the lesson of their `lesson.change` may not be taken."""

    type: Literal["lesson.refused"] = "lesson.refused"
    lesson_id: UUID
    error: str


class LessonAgain(_Wire):
    """To all: somebody's `lesson.change` came before the server had announced them.

    Whoever sent one and sees no change sends it again, best by RPC, which names its caller.
    """

    type: Literal["lesson.again"] = "lesson.again"


class AnswerCited(_Wire):
    """`answer.cited`, agent to clients: the passages that a spoken answer rests on."""

    segment_id: str
    lesson_id: UUID
    passage_ids: list[UUID]


class AnswerPlanned(_Wire):
    """`answer.planned`, agent to clients: a sentence that begins, and what is to follow it.

    With `cut` the tutor was stopped in that sentence, or behind it: the rest is never said.
    """

    segment_id: str
    text: str
    cut: bool = False


class TurnLatency(_Wire):
    """`turn.latency`, agent to clients: where a turn's time went, in seconds; `turn` counts from 1.

    The learner's silence until the turn counted as ended, recognition included; the model's first
    token; the voice's first sound; all of it. None where a typed turn has no such stage.
    """

    turn: int
    end_of_turn_s: float | None
    speech_to_text_s: float | None
    first_token_s: float | None
    first_sound_s: float | None
    total_s: float | None


class SpeechSet(_Wire):
    """`speech.set`: rate as a factor of the normal speed; None leaves it."""

    model_config = ConfigDict(extra="ignore")
    rate: float | None = Field(None, ge=0.5, le=2.0)


def parse_metadata(text: str | None) -> RoomMetadata | None:
    """Room or participant metadata; None where empty, broken, foreign or too long. Never raises."""
    data = _object(text)
    if data is None or data.get("agent_type", AGENT_TYPE) != AGENT_TYPE:
        return None
    try:
        return RoomMetadata.model_validate(data)
    except (ValidationError, RecursionError):
        return None


def parse_dispatch(text: str | None) -> DispatchMetadata | None:
    """Dispatch metadata; None where the dispatch is not ours. Never raises."""
    data = _object(text)
    try:
        return None if data is None else DispatchMetadata.model_validate(data)
    except (ValidationError, RecursionError):
        return None


def parse_lesson_change(payload: bytes | str) -> LessonChange:
    """A `lesson.change` payload. Raises ProtocolError."""
    return _parse(LessonChange, payload)


def parse_speech_set(payload: bytes | str) -> SpeechSet:
    """A `speech.set` payload. Raises ProtocolError."""
    return _parse(SpeechSet, payload)


def dump(message: BaseModel) -> str:
    """The wire form of a message: camelCase JSON."""
    return message.model_dump_json(by_alias=True)


def dump_metadata(metadata: RoomMetadata, limit_bytes: int) -> str:
    """The wire form of metadata within a limit: long objectives are shortened, then titles cut.

    The agent reads objectives in full from the database.
    """
    text = dump(metadata)
    objectives = list(metadata.learning_objectives)
    while len(text.encode()) > limit_bytes and objectives:
        objectives.pop()
        text = dump(metadata.model_copy(update={"learning_objectives": objectives}))
    if len(text.encode()) <= limit_bytes:
        return text
    names = ("course_title", "module_title", "lesson_title", "prev_lesson_title", "user_name")
    cut = {name: (getattr(metadata, name) or "")[:120] for name in names}
    return dump(metadata.model_copy(update={"learning_objectives": [], **cut}))


def models_attribute(names: dict[str, str]) -> str:
    """The agent attribute `bodh.models`: `{stt, llm, tts}`, names of models."""
    return json.dumps(names)


def room_name(course_id: UUID, module_id: UUID, suffix: str = "") -> str:
    """`{courseId}-{moduleId}`, with an opaque suffix for a learner's private room. Never parsed."""
    name = f"{course_id}-{module_id}" + (f"-{suffix}" if suffix else "")
    if len(name) > MAX_ROOM_NAME:
        raise ProtocolError(f"room name longer than {MAX_ROOM_NAME} characters")
    return name


def agent_identity(session_id: UUID, epoch: int) -> str:
    """A new identity for every dispatch: the server ends the newer job of two with one identity."""
    return f"{AGENT_PREFIX}{session_id}_{epoch}"


def _object(text: str | bytes | None) -> dict[str, Any] | None:
    if not text or len(text) > MAX_PARSED_BYTES:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _parse(model: type[_M], payload: bytes | str) -> _M:
    data = _object(payload)
    if data is None:
        raise ProtocolError("the payload is not a JSON object")
    try:
        return model.model_validate(data)
    except (ValidationError, RecursionError) as error:
        fields = (
            sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]})
            if isinstance(error, ValidationError)
            else []
        )
        raise ProtocolError(f"wrong or missing fields: {', '.join(fields)}") from error
