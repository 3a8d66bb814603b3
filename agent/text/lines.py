"""The tutor's text on its way to the voice: who it is for, and what it answers."""

from collections import deque
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from livekit.agents.llm import ChatItem

from agent.text.marks import Mark
from tools.desk import Asker


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


# What becomes of a reply that is cut before it has said much: it is said again after the turn that
# cut it, at once, or never.
IfCut = Literal["later", "now", "never"]


@dataclass
class Speech:
    """What the tutor says at one time to one learner: authored text, or the reply to a turn."""

    identity: str | None = None
    turn: Sequence[str] = ()  # ids of the segments that it answers
    question: str = ""  # the words of these segments
    asked_until: float = 0.0  # epoch time at which the learner stopped speaking; 0 if they typed
    lesson_id: UUID | None = None  # of authored text; a reply uses the learner's current one
    message_id: str = ""  # of the learner's message, in livekit-agents' chat context
    items: Sequence[ChatItem] = ()  # its calls, their outputs and its texts, in that context
    generated: deque[Line] = field(default_factory=deque)  # not spoken yet
    asked_at: float = 0.0  # loop time of its first model request
    begun: bool = False  # some of its words are generated
    if_cut: IfCut = "later"
    asker: Asker | None = None  # a copy, while the reply is only prepared

    @property
    def in_reply_to(self) -> str | None:
        return self.turn[-1] if self.turn else None


# The speech that the running task belongs to: livekit-agents copies the context into the tasks
# of a reply, so its model call, tools and captions all see the learner it answers.
SPEECH: ContextVar[Speech | None] = ContextVar("speech", default=None)

# Seconds of sound that the listener still has when the next text goes to a voice.
LEAD_S: ContextVar[float] = ContextVar("lead_s", default=0.0)
