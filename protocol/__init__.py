"""The wire contract: metadata, dispatch, data messages, RPC methods and agent attributes.

One module per kind of message. Use everything as `protocol.X`; the page's
`web/client/src/protocol.ts` is generated from the names below (`make types`).
"""

from protocol.activity import RPC_ACTIVITY_SET, ActivitySet, parse_activity_set
from protocol.answers import (
    TOPIC_ANSWER_CITED,
    TOPIC_ANSWER_PLANNED,
    AnswerCited,
    AnswerPlanned,
)
from protocol.attributes import (
    ATTRIBUTE_AGENT_STATE,
    ATTRIBUTE_MODELS,
    ATTRIBUTE_NOTES,
    ModelNames,
    NotesState,
)
from protocol.dispatch import DispatchMetadata, SessionKind, parse_dispatch
from protocol.latency import TOPIC_TURN_LATENCY, TurnLatency
from protocol.lesson import (
    RPC_LESSON_CHANGE,
    TOPIC_LESSON_CHANGE,
    LessonAgain,
    LessonChange,
    LessonHeld,
    LessonRefused,
    parse_lesson_change,
)
from protocol.metadata import (
    AGENT_TYPE,
    MAX_REVISION,
    MAX_ROOM_METADATA_BYTES,
    MAX_TOKEN_METADATA_BYTES,
    PublicMetadata,
    RoomMetadata,
    SessionType,
    dump_metadata,
    parse_metadata,
)
from protocol.names import AGENT_PREFIX, MAX_ROOM_NAME, Role, agent_identity, room_name
from protocol.refusals import TOPIC_REFUSED, Refused, RefusedKind
from protocol.speech import RPC_SPEECH_SET, RPC_SPEECH_STOP, SpeechSet, parse_speech_set
from protocol.text_streams import (
    ATTRIBUTE_FINAL,
    ATTRIBUTE_SEGMENT_ID,
    TOPIC_CAPTIONS,
    TOPIC_TYPED,
)
from protocol.waiting import TOPIC_TURN_WAITING, TurnWaiting
from protocol.wire import MAX_PARSED_BYTES, ProtocolError, Request, Wire, dump

__all__ = [
    "AGENT_PREFIX",
    "AGENT_TYPE",
    "ATTRIBUTE_AGENT_STATE",
    "ATTRIBUTE_FINAL",
    "ATTRIBUTE_MODELS",
    "ATTRIBUTE_NOTES",
    "ATTRIBUTE_SEGMENT_ID",
    "MAX_PARSED_BYTES",
    "MAX_REVISION",
    "MAX_ROOM_METADATA_BYTES",
    "MAX_ROOM_NAME",
    "MAX_TOKEN_METADATA_BYTES",
    "RPC_ACTIVITY_SET",
    "RPC_LESSON_CHANGE",
    "RPC_SPEECH_SET",
    "RPC_SPEECH_STOP",
    "TOPIC_ANSWER_CITED",
    "TOPIC_ANSWER_PLANNED",
    "TOPIC_CAPTIONS",
    "TOPIC_LESSON_CHANGE",
    "TOPIC_REFUSED",
    "TOPIC_TURN_LATENCY",
    "TOPIC_TURN_WAITING",
    "TOPIC_TYPED",
    "ActivitySet",
    "AnswerCited",
    "AnswerPlanned",
    "DispatchMetadata",
    "LessonAgain",
    "LessonChange",
    "LessonHeld",
    "LessonRefused",
    "ModelNames",
    "NotesState",
    "ProtocolError",
    "PublicMetadata",
    "Refused",
    "RefusedKind",
    "Request",
    "Role",
    "RoomMetadata",
    "SessionKind",
    "SessionType",
    "SpeechSet",
    "TurnLatency",
    "TurnWaiting",
    "Wire",
    "agent_identity",
    "dump",
    "dump_metadata",
    "parse_activity_set",
    "parse_dispatch",
    "parse_lesson_change",
    "parse_metadata",
    "parse_speech_set",
    "room_name",
]
