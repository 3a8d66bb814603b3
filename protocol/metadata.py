"""Metadata of a tutor room and of a learner's token."""

from typing import Literal

from pydantic import Field

from protocol.wire import Wire, dump, parse_or_none

AGENT_TYPE = "bodh-agent"
MAX_ROOM_METADATA_BYTES = 8 * 1024
MAX_TOKEN_METADATA_BYTES = 4 * 1024
MAX_REVISION = 2**53  # the largest integer that JavaScript counts exactly
MAX_CUT_TITLE = 120  # characters

SessionType = Literal[
    "course_welcome", "course_welcome_back", "lesson_welcome", "lesson_welcome_back"
]


class PublicMetadata(Wire):
    """What everyone in a room may know about a learner: document 000's keys without private facts.

    Room metadata and participant metadata are sent to everyone in the room.
    """

    agent_type: str = Field(AGENT_TYPE, alias="agent_type")
    course_id: str = ""
    course_title: str = ""
    module_id: str = ""
    module_title: str = ""
    lesson_id: str | None = None
    lesson_title: str | None = None
    lesson_number: int | None = 1
    """Position in the course, from 1."""
    video_ids: list[str] = Field(default_factory=list)
    learning_objectives: list[str] = Field(default_factory=list)
    user_id: str = ""
    """The learner's LiveKit identity; in the learner's own metadata, their account id."""
    user_name: str = "User"
    is_intro_lesson: bool = False
    prev_lesson_title: str | None = None
    revision: int = Field(0, ge=0, le=MAX_REVISION)
    """Grows with every lesson change; the larger of two wins."""


class RoomMetadata(PublicMetadata):
    """A learner's own metadata: all keys of document 000, plus `revision`."""

    session_type: SessionType = "course_welcome"
    is_first_course_visit: bool = True
    store_words: bool | None = Field(None, exclude=True)
    """False: nothing this learner says may be stored. Read if other programs send it; the server
    never sends it, and agents read the learner's choice from the database."""

    def public(self, identity: str) -> PublicMetadata:
        """Without the private facts, and with the identity in place of the account id."""
        private = set(RoomMetadata.model_fields) - set(PublicMetadata.model_fields)
        shared = self.model_dump(exclude=private) | {"user_id": identity}
        return PublicMetadata.model_validate(shared)


def parse_metadata(text: str | None) -> RoomMetadata | None:
    """Reads room or participant metadata.

    Returns None if it is empty, malformed, too long, or another agent's. Never raises.
    """
    metadata = parse_or_none(RoomMetadata, text)
    return metadata if metadata and metadata.agent_type == AGENT_TYPE else None


def dump_metadata(metadata: PublicMetadata, limit_bytes: int) -> str:
    """Returns JSON of at most `limit_bytes`.

    Drops learning objectives from the end, then cuts titles. The agent reads the objectives in
    full from the database.
    """
    text = dump(metadata)
    objectives = list(metadata.learning_objectives)
    while len(text.encode()) > limit_bytes and objectives:
        objectives.pop()
        text = dump(metadata.model_copy(update={"learning_objectives": objectives}))
    return text if len(text.encode()) <= limit_bytes else dump(_cut_to_fit(metadata))


def _cut_to_fit(metadata: PublicMetadata) -> PublicMetadata:
    names = ("course_title", "module_title", "lesson_title", "prev_lesson_title", "user_name")
    cut = {name: (getattr(metadata, name) or "")[:MAX_CUT_TITLE] for name in names}
    return metadata.model_copy(update={"learning_objectives": [], **cut})
