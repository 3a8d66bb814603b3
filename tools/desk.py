"""The desk: what tools and tutor know about whoever is answered now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from courses.course import Lesson
from courses.library import Library


@dataclass(frozen=True)
class Place:
    """The passage that was spoken about last; it may stand in another lesson than the learner's."""

    lesson_id: UUID
    passage: int
    learner_in: UUID | None  # the learner's own lesson at that moment


@dataclass
class Desk:
    """One per room. The agent points account, name and lesson at the learner before every turn."""

    library: Library
    course_id: UUID
    module_id: UUID
    account_id: UUID
    learner_name: str
    lesson_id: UUID | None
    change_lesson: Callable[[UUID], Awaitable[None]]  # raises NotFound, Forbidden: sayable
    set_rate: Callable[[float], None]  # factor of the normal speed
    now: Callable[[], datetime]
    last_answer: str = ""
    rate: float = 1.0
    places: dict[UUID, Place] = field(default_factory=dict)  # by account

    @property
    def topic(self) -> Place | None:
        """What "this" and "it" mean, or None when nothing was spoken about in this lesson yet."""
        place = self.places.get(self.account_id)
        return place if place and place.learner_in == self.lesson_id else None

    def mark_place(self, lesson_id: UUID, passage: int) -> None:
        """Remembers the passage that the learner now hears about."""
        self.places[self.account_id] = Place(lesson_id, passage, self.lesson_id)

    async def lesson(self, lesson_id: UUID | None = None) -> tuple[int, Lesson] | None:
        """A lesson, by default the learner's, with its number in the course; None without one.

        A preview of an unpublished lesson has number 0.
        """
        wanted = lesson_id or self.lesson_id
        if wanted is None:
            return None
        outline = await self.library.outline(self.course_id)
        for number, lesson in enumerate(outline, 1):
            if lesson.id == wanted:
                return number, lesson
        return 0, await self.library.lesson(wanted)
