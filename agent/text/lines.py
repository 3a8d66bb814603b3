"""The tutor's text on its way to the voice: who it is for, and what it answers."""

from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from agent.text.marks import Mark


@dataclass(eq=False)
class Line:
    """One text of the tutor as it is planned: `text` grows while it is generated."""

    identity: str | None = None  # of the learner it is said to
    lesson_id: UUID | None = None
    in_reply_to: str | None = None  # id of the learner's transcript segment
    text: str = ""
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True)
class Sentence:
    """A sentence that the tutor has said. Times are epoch seconds."""

    id: str
    text: str
    started_at: float
    ended_at: float
    interrupted: bool
    line: Line
    marks: tuple[Mark, ...]


@dataclass
class Speech:
    identity: str | None = None
    in_reply_to: str | None = None
    lesson_id: UUID | None = None  # of authored text; a reply uses the learner's current one
    generated: deque[Line] = field(default_factory=deque)  # not spoken yet
    asked_at: float = 0.0  # loop time of its first model request
    begun: bool = False  # some of its words are generated


# The speech that the running task belongs to: livekit-agents copies the context into the tasks
# of a reply, so its model call, tools and captions all see the learner it answers.
SPEECH: ContextVar[Speech | None] = ContextVar("speech", default=None)
