"""The first words to each learner: a greeting, or an apology if an earlier agent was lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import db
import prompts
from agent.durable.earlier_turns import CutTurn, EarlierTurns
from agent.room.dispatch import Dispatch
from agent.room.learner import Learner
from agent.room.lessons import Lessons
from agent.talk.announcements import Announcements
from agent.talk.tutor_speech import TutorSpeech
from db.rooms import find_room_learner, record_greeting
from tools.desk import Desk
from tools.greeting import back_again_text, greeting_text, resumed_text

# learners who return this soon after the apology were cut off by the same failure
SAME_LOSS_S = 10.0


class LeaseHolder(Protocol):
    async def send_heartbeat_if_serving(self) -> bool: ...


class Welcome:
    def __init__(
        self,
        dispatch: Dispatch,
        pool: db.Pool,
        desk: Desk,
        *,
        lessons: Lessons,
        tutor_speech: TutorSpeech,
        announcements: Announcements,
        earlier: EarlierTurns | None,
        lease: LeaseHolder,
        pause: timedelta,
    ) -> None:
        self._dispatch = dispatch
        self._pool = pool
        self._desk = desk
        self._lessons = lessons
        self._tutor_speech = tutor_speech
        self._announcements = announcements
        self._earlier = earlier
        self._lease = lease
        self._pause = pause
        self._resumed_at: float | None = None  # loop time of the apology
        self._apology = asyncio.Lock()

    async def welcome_learner(self, learner: Learner) -> None:
        if not await self._lease.send_heartbeat_if_serving():
            return  # the room was lost and reopened for another agent
        first, learner.met = not learner.met, True
        if (
            first
            and self._earlier
            and await self._earlier.query_was_cut_off(self._pool, learner.account_id)
        ):
            await self._apologise_and_resume(self._earlier, learner)
        else:
            await self._greet_learner(learner)

    async def _apologise_and_resume(self, earlier: EarlierTurns, learner: Learner) -> None:
        """Apologises once to everyone and answers the turn that was cut, without a greeting."""
        await self._lessons.reread_lesson(learner)
        await self._record_greeting_and_visit(learner)
        now = asyncio.get_running_loop().time()
        cut = earlier.recent_cut_turn(learner.account_id, datetime.now(UTC))
        async with self._apology:  # learners who join during the apology are answered after it
            said_at, self._resumed_at = self._resumed_at, self._resumed_at or now
            if said_at is None:
                text = await self._apology_text(learner, ask_again=cut is None)
                await self._tutor_speech.say(text, learner)
        if said_at is not None and now - said_at > SAME_LOSS_S and learner.lesson_id:
            await self._tutor_speech.say(
                await self._back_again_text(learner, learner.lesson_id), learner
            )
        if cut is not None:
            await self._finish_cut_turn(earlier, learner, cut)

    async def _finish_cut_turn(self, earlier: EarlierTurns, learner: Learner, cut: CutTurn) -> None:
        """Answers a cut turn once more, but no part of it during which two agents were lost."""
        if cut.fatal:
            line = prompts.render("other_words")
            await self._tutor_speech.say(line, learner, in_reply_to=cut.fatal[-1].id)
        if cut.segments:
            await earlier.append_retry_events(self._pool, cut, datetime.now(UTC))
            turn = [segment.id for segment in cut.segments]
            text = " ".join(segment.text for segment in cut.segments)
            self._tutor_speech.start_reply_to_turn(learner, turn, text)

    async def _apology_text(self, learner: Learner, *, ask_again: bool) -> str:
        lesson_id = learner.lesson_id if ask_again else None
        return await resumed_text(
            self._desk.library, account_id=learner.account_id, lesson_id=lesson_id
        )

    async def _greet_learner(self, learner: Learner) -> None:
        """Greets by session type, or with one short line if the learner was away only briefly."""
        if learner.lesson_id is None:
            return
        text = await self._greeting_text(learner, learner.lesson_id)
        # recorded before it plays: a reload during the greeting must not repeat it
        await self._record_greeting_and_visit(learner)
        await self._tutor_speech.say(text, learner)

    async def _greeting_text(self, learner: Learner, lesson_id: UUID) -> str:
        dispatch, desk = self._dispatch, self._desk
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            row = await find_room_learner(
                conn, dispatch.tenant_id, dispatch.room.id, learner.account_id
            )
        if row and row.greeted_at and datetime.now(UTC) - row.greeted_at < self._pause:
            return await self._back_again_text(learner, lesson_id)
        visit = await desk.library.describe_visit(learner.account_id, desk.course_id, lesson_id)
        return await greeting_text(
            desk.library, desk.course_id, learner=learner.name, lesson_id=lesson_id, visit=visit
        )

    async def _back_again_text(self, learner: Learner, lesson_id: UUID) -> str:
        return await back_again_text(self._desk.library, learner=learner.name, lesson_id=lesson_id)

    async def _record_greeting_and_visit(self, learner: Learner) -> None:
        """Records that the learner was greeted, and in which lesson."""
        await self._announcements.mark_announced_and_record_visit(learner)
        now, dispatch = datetime.now(UTC), self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            await record_greeting(
                conn, dispatch.tenant_id, dispatch.room.id, learner.account_id, now
            )
