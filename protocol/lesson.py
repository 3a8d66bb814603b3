"""Changing the lesson: `lesson.change` as a data message or as an RPC."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from protocol.metadata import MAX_REVISION
from protocol.wire import Request, Wire, parse

TOPIC_LESSON_CHANGE = "lesson.change"
RPC_LESSON_CHANGE = "lesson.change"


class LessonChange(Request):
    """`lesson.change`, page to agent: open this lesson."""

    type: Literal["lesson.change"] = "lesson.change"
    lesson_id: UUID
    revision: int | None = Field(None, ge=0, le=MAX_REVISION)
    """Set if the server has already changed the lesson; without it, the agent changes it."""


class LessonHeld(Wire):
    """Response to the RPC `lesson.change`: the current lesson and revision."""

    lesson_id: UUID
    revision: int


class LessonRefused(Wire):
    """On the topic `lesson.change`, agent to the sender: the lesson cannot be opened."""

    type: Literal["lesson.refused"] = "lesson.refused"
    lesson_id: UUID
    error: str


class LessonAgain(Wire):
    """On the topic `lesson.change`, agent to everyone in the room: send the change again.

    Sent when a data message comes from a participant whose join the agent has not seen yet.
    """

    type: Literal["lesson.again"] = "lesson.again"


def parse_lesson_change(payload: bytes | str) -> LessonChange:
    return parse(LessonChange, payload)
