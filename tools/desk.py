"""The desk: what tools and tutor know about whoever is answered now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from db.courses import Lesson
from db.library import Library


@dataclass(frozen=True)
class Place:
    """The passage of a lesson that was spoken about last."""

    lesson_id: UUID
    passage: int


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
    def place(self) -> Place | None:
        """Where the learner is, or None when nothing of their lesson was spoken about yet."""
        place = self.places.get(self.account_id)
        return place if place and place.lesson_id == self.lesson_id else None

    def mark_place(self, lesson_id: UUID, passage: int) -> None:
        """Remembers the passage that the learner now hears about."""
        self.places[self.account_id] = Place(lesson_id, passage)

    async def lesson(self) -> tuple[int, Lesson] | None:
        """The learner's lesson with its number in the course, or None without a lesson."""
        if self.lesson_id is None:
            return None
        outline = await self.library.outline(self.course_id)
        for number, lesson in enumerate(outline, 1):
            if lesson.id == self.lesson_id:
                return number, lesson
        return 0, await self.library.lesson(self.lesson_id)  # a preview: not published
