"""The tutor's desk in a room: several learners, each answered in turn."""

from uuid import UUID

import db
from agent.room.learner import Learner, Roster
from agent.room.lessons import Lessons, RefusedError
from agent.room.rates import Rates
from agent.talk.announcements import Announcements
from agent.talk.conversations import Conversations
from agent.talk.tutor_speech import TutorSpeech
from agent.text.lines import SPEECH
from tools.desk import Asker


class RoomTalk:
    """The asker is the learner that the running reply answers, even if several run at once."""

    def __init__(
        self,
        roster: Roster,
        conversations: Conversations,
        lessons: Lessons,
        announcements: Announcements,
        *,
        tutor_speech: TutorSpeech,
        rates: Rates,
    ) -> None:
        self._roster = roster
        self._conversations = conversations
        self._lessons = lessons
        self._announcements = announcements
        self._tutor_speech = tutor_speech
        self._rates = rates

    @property
    def asker(self) -> Asker:
        speech = SPEECH.get()
        if speech and speech.asker:
            return speech.asker
        return self._asking_learner() or Asker(account_id=UUID(int=0), name="", lesson_id=None)

    @property
    def rate(self) -> float:
        return self._tutor_speech.rate_for_listener

    @property
    def overheard(self) -> list[tuple[str, str]]:
        learner = self._asking_learner()
        return self._conversations.overheard(learner) if learner else []

    def set_rate(self, factor: float) -> None:
        self._tutor_speech.set_rate_for_listener(factor)

    async def change_lesson(self, lesson_id: UUID) -> None:
        learner = self._asking_learner()
        if learner is None:
            raise db.NotFound("learner")
        if not self._rates.allow(learner.identity, "lesson"):
            raise db.Forbidden("You have changed lessons too often. Wait a moment, then ask again.")
        async with learner.changing:  # the tool's answer names the lesson: no announcement
            try:
                await self._lessons.change_lesson(learner, lesson_id)
            except RefusedError as error:
                raise db.Forbidden(str(error)) from error
            await self._announcements.mark_announced_and_record_visit(learner)

    def _asking_learner(self) -> Learner | None:
        speech = SPEECH.get()
        return self._roster.get(speech.identity) if speech else None
