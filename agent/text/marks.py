"""Citation marks `[[L.P]]`, removed from the text before it is spoken."""

import re
from dataclasses import dataclass, field

_MARK = re.compile(r"\s?\[\[(\d{1,4})\.(\d{1,4})\]\]")
# an end of text that may become a mark
_POSSIBLE_MARK_START = re.compile(r"\s?\[(?:\[[\d.]{0,9}\]?)?$|\s$")


@dataclass(frozen=True)
class Mark:
    """Passage `passage` of lesson number `lesson`, cited `offset` characters into the text."""

    offset: int
    lesson: int
    passage: int


@dataclass
class MarkFilter:
    text: str = ""
    marks: list[Mark] = field(default_factory=list)
    _held: str = ""

    def push(self, chunk: str) -> str:
        """Returns clean text; holds back what may become a mark."""
        pending = self._held + chunk
        begin = _POSSIBLE_MARK_START.search(pending)
        cut = begin.start() if begin else len(pending)
        self._held = pending[cut:]
        return self._remove_marks(pending[:cut])

    def flush(self) -> str:
        held, self._held = self._held, ""
        return self._remove_marks(held)

    def _remove_marks(self, text: str) -> str:
        clean, last = "", 0
        for match in _MARK.finditer(text):
            clean += text[last : match.start()]
            offset = len(self.text) + len(clean)
            self.marks.append(Mark(offset, int(match[1]), int(match[2])))
            last = match.end()
        clean += text[last:]
        self.text += clean
        return clean
