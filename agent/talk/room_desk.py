"""The desk of a room, where several learners are answered in turn."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import db
from agent.room.dispatch import Dispatch
from agent.room.learner import LearnerLesson
from courses.library import Library
from tools.desk import Desk


class RoomDesk(Desk):
    """A desk that always shows whoever the running reply answers, also with several at once."""

    def __init__(
        self,
        place: Dispatch,
        library: Library,
        asker: Callable[[], LearnerLesson | None],
        change_lesson: Callable[[UUID], Awaitable[None]],
        *,
        set_rate: Callable[[float], None],
    ) -> None:
        """Raises NotFound for a room of no course module."""
        if place.room.course_id is None or place.room.module_id is None:
            raise db.NotFound("the course module of this room")
        self._asker = asker
        super().__init__(
            library=library,
            course_id=place.room.course_id,
            module_id=place.room.module_id,
            account_id=UUID(int=0),
            learner_name="",
            lesson_id=None,
            change_lesson=change_lesson,
            set_rate=set_rate,
            now=lambda: datetime.now(UTC),
        )

    @property
    def account_id(self) -> UUID:
        learner = self._asker()
        return learner.account_id if learner else UUID(int=0)

    @account_id.setter
    def account_id(self, value: UUID) -> None:
        """Follows the asker alone."""

    @property
    def learner_name(self) -> str:
        learner = self._asker()
        return learner.name if learner else ""

    @learner_name.setter
    def learner_name(self, value: str) -> None:
        """Follows the asker alone."""

    @property
    def lesson_id(self) -> UUID | None:
        learner = self._asker()
        return learner.lesson_id if learner else None

    @lesson_id.setter
    def lesson_id(self, value: UUID | None) -> None:
        """Follows the asker alone; `change_lesson` moves them."""
