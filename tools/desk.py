"""The desk: what the tutor and its tools work with, and the learner who asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from courses.course import Lesson
from courses.library import Library


@dataclass(frozen=True)
class Place:
    """The passage last spoken about, which may be in another lesson than the learner's own."""

    lesson_id: UUID
    passage: int
    learner_in: UUID | None  # their own lesson at that time


@dataclass(eq=False, kw_only=True)
class Asker:
    account_id: UUID
    name: str
    lesson_id: UUID | None
    last_answer: str = ""
    place: Place | None = None


class Talk(Protocol):
    """The conversation at a desk. Several replies may run at once."""

    @property
    def asker(self) -> Asker: ...

    @property
    def rate(self) -> float: ...

    @property
    def overheard(self) -> Sequence[tuple[str, str]]:
        """Who said what to others in the asker's presence, oldest first, without names."""

    async def change_lesson(self, lesson_id: UUID) -> None:
        """Moves the asker. Raises NotFound or Forbidden with a message that can be spoken."""

    def set_rate(self, factor: float) -> None: ...


@dataclass
class Desk:
    library: Library
    course_id: UUID
    talk: Talk
    now: Callable[[], datetime]

    @property
    def asker(self) -> Asker:
        return self.talk.asker

    @property
    def account_id(self) -> UUID:
        return self.asker.account_id

    @property
    def learner_name(self) -> str:
        return self.asker.name

    @property
    def lesson_id(self) -> UUID | None:
        return self.asker.lesson_id

    @property
    def last_answer(self) -> str:
        return self.asker.last_answer

    @property
    def topic(self) -> Place | None:
        """What "this" and "it" mean; None if the learner has changed the lesson since."""
        place = self.asker.place
        return place if place and place.learner_in == self.lesson_id else None

    def mark_place(self, lesson_id: UUID, passage: int) -> None:
        self.asker.place = Place(lesson_id, passage, self.lesson_id)

    async def find_lesson(self, lesson_id: UUID | None = None) -> tuple[int, Lesson] | None:
        """A lesson with its number in the course, by default the learner's; None if they have none.

        An unpublished lesson has number 0.
        """
        wanted = lesson_id or self.lesson_id
        if wanted is None:
            return None
        outline = await self.library.list_outline(self.course_id)
        for number, lesson in enumerate(outline, 1):
            if lesson.id == wanted:
                return number, lesson
        return 0, await self.library.get_lesson(wanted)
