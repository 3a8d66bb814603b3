"""The first words to whoever comes in: a greeting, or an apology where an agent was lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import db
from agent.durable.earlier import Earlier
from agent.room.dispatch import Dispatch
from agent.room.learner import LearnerLesson
from agent.room.lessons import Lessons
from agent.talk.announcements import Announcements
from agent.talk.speeches import Speeches
from db.rooms import find_room_learner, record_greeting
from tools.desk import Desk
from tools.greeting import back_again, greeting, resumed

SAME_LOSS_S = 10.0  # who comes back so soon after the apology has heard it, or came by the same way


class Welcome:
    """Meets each learner who comes in, while `serves` tells that the session is this agent's."""

    def __init__(
        self,
        place: Dispatch,
        pool: db.Pool,
        desk: Desk,
        *,
        lessons: Lessons,
        speeches: Speeches,
        announcements: Announcements,
        earlier: Earlier | None,
        serves: Callable[[], Awaitable[bool]],
        pause: timedelta,
    ) -> None:
        self._place = place
        self._pool = pool
        self._desk = desk
        self._lessons = lessons
        self._speeches = speeches
        self._announcements = announcements
        self._earlier = earlier
        self._serves = serves
        self._pause = pause
        self._resumed_at: float | None = None  # when this agent said sorry, by the loop's clock
        self._apology = asyncio.Lock()

    async def meet(self, learner: LearnerLesson) -> None:
        if not await self._serves():  # back in a room that was lost and made anew for another
            return
        if self._earlier and await self._earlier.meets(self._pool, learner.account_id):
            await self._resume(self._earlier, learner)
        else:
            await self._greet(learner)

    async def _resume(self, earlier: Earlier, learner: LearnerLesson) -> None:
        """Says sorry once to all, answers what was cut, and greets nobody a second time."""
        learner = await self._lessons.settled(learner)
        self._announcements.told[learner.identity] = learner.lesson_id
        await self._record(learner)
        now = asyncio.get_running_loop().time()
        cut = earlier.cut_turn(learner.account_id, datetime.now(UTC))
        async with self._apology:  # who comes meanwhile is answered after it
            said_at, self._resumed_at = self._resumed_at, self._resumed_at or now
            if said_at is None:
                text = await self._sorry(learner, ask_again=cut is None)
                await self._speeches.say(text, learner)
        if said_at is not None and now - said_at > SAME_LOSS_S and learner.lesson_id:
            await self._speeches.say(await self._back_again(learner, learner.lesson_id), learner)
        if cut is not None:
            self._speeches.answer(learner.identity, cut.id, cut.text)

    async def _sorry(self, learner: LearnerLesson, *, ask_again: bool) -> str:
        lesson_id = learner.lesson_id if ask_again else None
        return await resumed(self._desk.library, account_id=learner.account_id, lesson_id=lesson_id)

    async def _greet(self, learner: LearnerLesson) -> None:
        """Welcomes once by session type; a learner back within the pause hears one short line."""
        if learner.lesson_id is None:
            return
        text = await self._greeting(learner, learner.lesson_id)
        self._announcements.told[learner.identity] = learner.lesson_id
        # recorded before it is heard: a reload in mid-greeting must not bring a second welcome
        await self._record(learner)
        await self._speeches.say(text, learner)

    async def _greeting(self, learner: LearnerLesson, lesson_id: UUID) -> str:
        place, desk = self._place, self._desk
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            row = await find_room_learner(conn, place.tenant_id, place.room.id, learner.account_id)
        if row and row.greeted_at and datetime.now(UTC) - row.greeted_at < self._pause:
            return await self._back_again(learner, lesson_id)
        visit = await desk.library.visit(learner.account_id, desk.course_id, lesson_id)
        return await greeting(
            desk.library, desk.course_id, learner=learner.name, lesson_id=lesson_id, visit=visit
        )

    async def _back_again(self, learner: LearnerLesson, lesson_id: UUID) -> str:
        return await back_again(self._desk.library, learner=learner.name, lesson_id=lesson_id)

    async def _record(self, learner: LearnerLesson) -> None:
        """Keeps that the learner was greeted, and on which lesson they are."""
        now, place = datetime.now(UTC), self._place
        if learner.lesson_id is not None:
            await self._desk.library.record_visit(learner.account_id, learner.lesson_id, now)
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            await record_greeting(conn, place.tenant_id, place.room.id, learner.account_id, now)
