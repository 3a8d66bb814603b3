"""What is said to whom, and the citation marks `[[L.P]]` that are taken out before it is said."""

import re
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

_MARK = re.compile(r"\s?\[\[(\d{1,4})\.(\d{1,4})\]\]")
_BEGIN = re.compile(r"\s?\[(?:\[[\d.]{0,9}\]?)?$|\s$")  # a text end that may become a mark


@dataclass(frozen=True)
class Mark:
    """Passage `passage` of lesson number `lesson`, cited `offset` characters into the text."""

    offset: int
    lesson: int
    passage: int


@dataclass(eq=False)
class Line:
    """One text of the tutor as it is planned: `text` grows while it is generated."""

    identity: str | None = None  # of the learner it is said to
    lesson_id: UUID | None = None
    in_reply_to: str | None = None  # id of the learner's transcript segment
    text: str = ""
    marks: list[Mark] = field(default_factory=list)


@dataclass
class Speech:
    """What one reply or authored text is for: whom it is said to, and what it answers."""

    identity: str | None = None
    in_reply_to: str | None = None
    lesson_id: UUID | None = None  # of authored text; a reply takes the learner's present one
    generated: deque[Line] = field(default_factory=deque)  # texts that are not spoken yet
    asked_at: float = 0.0  # loop time of its first question to a model
    begun: bool = False  # words of it were generated


# The speech that the running task belongs to: livekit-agents copies the context into the tasks
# of a reply, so its model call, tools and captions all see the learner whom it answers.
SPEECH: ContextVar[Speech | None] = ContextVar("speech", default=None)


@dataclass
class MarkFilter:
    """Takes marks out of streamed text, also where a chunk ends inside one."""

    text: str = ""
    marks: list[Mark] = field(default_factory=list)
    _held: str = ""

    def push(self, chunk: str) -> str:
        """The clean text that is certain by now."""
        pending = self._held + chunk
        begin = _BEGIN.search(pending)
        cut = begin.start() if begin else len(pending)
        self._held = pending[cut:]
        return self._clean(pending[:cut])

    def flush(self) -> str:
        """The clean text that was still held back."""
        held, self._held = self._held, ""
        return self._clean(held)

    def _clean(self, text: str) -> str:
        clean, last = "", 0
        for match in _MARK.finditer(text):
            clean += text[last : match.start()]
            offset = len(self.text) + len(clean)
            self.marks.append(Mark(offset, int(match[1]), int(match[2])))
            last = match.end()
        clean += text[last:]
        self.text += clean
        return clean
