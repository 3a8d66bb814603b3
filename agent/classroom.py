"""One room's lesson: who is here, on which lesson, what is said to whom, and what is kept of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from livekit import api, rtc
from livekit.agents import AgentSession, llm, utils

import db
import prompts
import protocol
import rooms
from agent.captions import Captions, Sentence, TutorCaptions
from agent.journal import Journal, Place, Utterance
from agent.lesson import LearnerLesson, apply
from agent.marks import Speech
from agent.room import Listener, RefusedError, RoomEvents, Typed
from agent.tutor import ASKER, SEGMENT, Tutor
from db.accounts import find_account, find_account_by_identity
from db.library import PostgresLibrary
from db.progress import Visit
from db.rooms import find_room_learner, list_room_learners, record_greeting
from settings import Settings
from tools.desk import Desk

ANNOUNCE_AFTER_S = 0.4  # quiet time after a lesson change, so that ten in a row are announced once
REREAD_EVERY_S = 2.0  # the database is the truth about lessons; within 6 s whatever was lost

logger = logging.getLogger(__name__)


class Classroom:
    """Wires a room's events to the tutor, and all that is said to the spool."""

    def __init__(
        self,
        settings: Settings,
        place: Place,
        *,
        room: rtc.Room,
        pool: db.Pool,
        journal: Journal,
        livekit: api.LiveKitAPI,
        set_rate: Callable[[float], None],
    ) -> None:
        if place.room.course_id is None or place.room.module_id is None:
            raise db.NotFound("the course module of this room")
        self._settings = settings
        self._place = place
        self._room = room
        self._pool = pool
        self._journal = journal
        self._livekit = livekit
        self._learners: dict[str, LearnerLesson] = {}
        self._announced: dict[str, UUID | None] = {}
        self._announcements: dict[str, asyncio.Task[None]] = {}
        self._unanswered: list[tuple[str, str, str]] = []  # identity, segment, text
        self._speaking_turn = asyncio.Lock()  # one greeting or announcement at a time
        self._tasks: set[asyncio.Task[None]] = set()
        self.events = RoomEvents(room)
        self.captions = Captions(room)
        self.library = PostgresLibrary(pool, place.tenant_id)
        self.desk = Desk(
            library=self.library,
            course_id=place.room.course_id,
            module_id=place.room.module_id,
            account_id=UUID(int=0),
            learner_name="",
            lesson_id=None,
            change_lesson=self._change_lesson_by_voice,
            set_rate=set_rate,
            now=lambda: datetime.now(UTC),
        )
        self.tutor_captions = TutorCaptions(
            self.captions,
            room,
            next_id=self._journal.next_id,
            speech=lambda: self.tutor.speech,
            keep=self._tutor_said,
        )
        self.tutor: Tutor
        self.session: AgentSession[None]

    def attach(self, tutor: Tutor, session: AgentSession[None]) -> None:
        """The agent session that speaks here; called once before `run`."""
        self.tutor = tutor
        self.session = session

    async def run(self) -> None:
        """Teaches until cancelled."""
        listener = Listener(
            joined=self._joined,
            left=self._left,
            lesson_news=self._lesson_news,
            lesson_asked=self._lesson_asked,
            typed=self._typed,
            stop_speech=self._stop_speech,
            set_speech=self._set_speech,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.events.run(listener))
                tasks.create_task(self._reread_lessons())
        finally:
            await utils.aio.cancel_and_wait(*self._tasks)

    # who is here

    async def _joined(self, learner: LearnerLesson, sid: str) -> None:
        known = self._learners.get(learner.identity)
        if known is not None:
            learner = apply(known, learner.lesson_id, learner.revision)
        self._learners[learner.identity] = learner
        await self._journal.joined(learner, sid)
        self._point_desk(learner.identity)
        self._spawn(self._greet(learner))

    async def _left(self, identity: str, sid: str) -> None:
        learner = self._learners.get(identity)
        if learner is not None:
            await self._journal.left(learner, sid)

    async def _greet(self, learner: LearnerLesson) -> None:
        """Welcomes once by session type; a learner back within the pause hears one short line."""
        if learner.lesson_id is None:
            return
        text = await self._greeting(learner, learner.lesson_id)
        self._announced[learner.identity] = learner.lesson_id
        await self._say(text, learner)
        await self._record_visit(learner, greeted=True)

    async def _greeting(self, learner: LearnerLesson, lesson_id: UUID) -> str:
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            row = await find_room_learner(conn, place.tenant_id, place.room.id, learner.account_id)
        pause = self._settings.greeting_pause
        if row and row.greeted_at and datetime.now(UTC) - row.greeted_at < pause:
            return await back_again(self.desk, learner.name, lesson_id)
        visit = await self.library.visit(learner.account_id, self.desk.course_id, lesson_id)
        return await greeting(self.desk, learner.name, lesson_id, visit)

    async def _record_visit(self, learner: LearnerLesson, *, greeted: bool) -> None:
        now = datetime.now(UTC)
        place = self._place
        if learner.lesson_id is not None:
            await self.library.record_visit(learner.account_id, learner.lesson_id, now)
        if greeted:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await record_greeting(conn, place.tenant_id, place.room.id, learner.account_id, now)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("the classroom stumbled", exc_info=error)

    # which lesson

    async def _lesson_news(self, news: LearnerLesson, revised: bool) -> None:
        """Metadata of the room or a participant; only our server can write either."""
        for learner in list(self._learners.values()):
            if learner.account_id != news.account_id:
                continue
            lesson_id = news.lesson_id
            if revised:
                self._apply(learner, lesson_id, news.revision)
            elif lesson_id is not None and lesson_id != learner.lesson_id:
                await self._request_change(learner, lesson_id)

    async def _lesson_asked(self, identity: str, change: protocol.LessonChange) -> int:
        """A request or a hint; returns the revision that holds now. Raises RefusedError."""
        learner = self._learners.get(identity) or await self._learner_from_rows(identity)
        if change.revision is not None:
            await self._reread()
            return self._learners.get(identity, learner).revision
        return await self._request_change(learner, change.lesson_id)

    async def _request_change(
        self, learner: LearnerLesson, lesson_id: UUID, *, announce: bool = True
    ) -> int:
        place = self._place
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                account = await find_account(conn, place.tenant_id, learner.account_id)
                if account is None:
                    raise db.NotFound("account")
                revision, changed = await rooms.change_lesson(
                    conn, place.tenant_id, place.room, account, lesson_id
                )
        except (db.NotFound, db.Forbidden) as error:
            raise RefusedError("that lesson is not in this module") from error
        if changed:
            self._apply(learner, lesson_id, revision, announce=announce)
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await rooms.publish_lesson(
                    self._livekit, conn, place.tenant_id, place.room, account, lesson_id, revision
                )
        return revision

    async def _change_lesson_by_voice(self, lesson_id: UUID) -> None:
        learner = next(
            (one for one in self._learners.values() if one.account_id == self.desk.account_id),
            None,
        )
        if learner is None:
            raise db.NotFound("learner")
        try:
            await self._request_change(learner, lesson_id, announce=False)
        except RefusedError as error:
            raise db.Forbidden(str(error)) from error
        self.desk.lesson_id = lesson_id
        self._announced[learner.identity] = lesson_id  # the tool's own answer tells it
        await self._record_visit(learner, greeted=False)

    async def _learner_from_rows(self, identity: str) -> LearnerLesson:
        """A sender whom the media server has not announced yet. Raises RefusedError."""
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            account = await find_account_by_identity(conn, place.tenant_id, identity)
            if account is None:
                raise RefusedError("you are not in this room")
            row = await find_room_learner(conn, place.tenant_id, place.room.id, account.id)
        if row is None:
            raise RefusedError("you are not in this room")
        return LearnerLesson(account.id, identity, account.name, row.lesson_id, row.revision)

    async def _reread_lessons(self) -> None:
        while True:
            await asyncio.sleep(REREAD_EVERY_S)
            try:
                await self._reread()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                logger.warning("lessons not read again: the database does not answer")

    async def _reread(self) -> None:
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            rows = await list_room_learners(conn, place.tenant_id, place.room.id)
        by_account = {row.account_id: row for row in rows}
        for learner in list(self._learners.values()):
            if row := by_account.get(learner.account_id):
                self._apply(learner, row.lesson_id, row.revision)

    def _apply(
        self,
        learner: LearnerLesson,
        lesson_id: UUID | None,
        revision: int,
        *,
        announce: bool = True,
    ) -> None:
        known = self._learners.get(learner.identity, learner)
        moved = apply(known, lesson_id, revision)
        if moved is known:
            return
        self._learners[moved.identity] = moved
        if self.desk.account_id == moved.account_id:
            self.desk.lesson_id = moved.lesson_id
        logger.info(
            "lesson changed",
            extra={"lesson_id": str(lesson_id), "revision": revision, "applied_at": time.time()},
        )
        if announce and moved.lesson_id != known.lesson_id:
            self._announce_soon(moved.identity)

    def _announce_soon(self, identity: str) -> None:
        if waiting := self._announcements.pop(identity, None):
            waiting.cancel()
        self._announcements[identity] = self._spawn(self._announce(identity))

    async def _announce(self, identity: str) -> None:
        await asyncio.sleep(ANNOUNCE_AFTER_S)
        learner = self._learners[identity]
        self._announcements.pop(identity, None)
        lesson_id = learner.lesson_id
        if lesson_id is None or self._announced.get(identity) == lesson_id:
            return
        self._announced[identity] = lesson_id
        outline = await self.library.outline(self.desk.course_id)
        number = next((n for n, one in enumerate(outline, 1) if one.id == lesson_id), None)
        if number is not None:
            text = prompts.render("lesson_changed", number=number, title=outline[number - 1].title)
            await self.session.interrupt()
            await self._say(text, learner)
        await self._record_visit(learner, greeted=False)

    # what is said

    def point_desk_at(self, identity: str) -> None:
        """The tutor answers this learner now."""
        self._point_desk(identity)

    def _point_desk(self, identity: str) -> None:
        learner = self._learners.get(identity)
        if learner is not None:
            self.desk.account_id = learner.account_id
            self.desk.learner_name = learner.name
            self.desk.lesson_id = learner.lesson_id

    async def _say(self, text: str, learner: LearnerLesson) -> None:
        """Says authored text and returns when it was played or cut."""
        async with self._speaking_turn:
            self.tutor.plan_speech(Speech(lesson_id=learner.lesson_id))
            await self.session.say(text).wait_for_playout()

    async def say_goodbye(self) -> None:
        """One line before the worker goes; returns when it was played."""
        if self._learners and self._room.remote_participants:
            await self.session.interrupt(force=True)
            await self._say(prompts.render("goodbye"), next(iter(self._learners.values())))

    async def learner_said(self, identity: str, said: Utterance) -> None:
        """A final of the recogniser: kept first, then shown, then a turn to answer."""
        learner = self._learners.get(identity)
        if learner is None:
            return
        await self._journal.learner_said(learner, said)
        await self.captions.learner(identity, said.segment_id, said.text, final=True)
        self._unanswered.append((identity, said.segment_id, said.text))

    def take_turn(self, message: llm.ChatMessage) -> None:
        """Marks a voice turn with who said it; what a second learner said is answered after."""
        said, self._unanswered = self._unanswered, []
        if not said:
            return
        first = said[0][0]
        mine = [entry for entry in said if entry[0] == first]
        message.extra[ASKER] = first
        message.extra[SEGMENT] = mine[-1][1]
        others = [entry for entry in said if entry[0] != first]
        if others:
            message.content = [" ".join(text for _, _, text in mine)]
            for identity, segment_id, text in others:
                self._answer(identity, segment_id, text)

    async def _typed(self, typed: Typed) -> None:
        learner = self._learners.get(typed.identity)
        if learner is None:
            return
        now = datetime.now(UTC).timestamp()
        await self._journal.learner_said(learner, Utterance(typed.id, typed.text, "text", now, now))
        await self.session.interrupt()
        self._answer(typed.identity, typed.id, typed.text)

    def _answer(self, identity: str, segment_id: str, text: str) -> None:
        message = llm.ChatMessage(
            role="user", content=[text], extra={ASKER: identity, SEGMENT: segment_id}
        )
        self.session.generate_reply(user_input=message)

    async def _stop_speech(self) -> None:
        await self.session.interrupt(force=True)

    async def _set_speech(self, wanted: protocol.SpeechSet) -> None:
        if wanted.rate is not None:
            self.desk.set_rate(wanted.rate)
        if wanted.voice is not None:
            self.session.output.set_audio_enabled(wanted.voice)

    # what is cited

    async def _tutor_said(self, sentence: Sentence) -> None:
        await self._journal.tutor_said(self._room.local_participant.identity, sentence)
        if sentence.marks:
            await self._publish_cited(sentence)

    async def _publish_cited(self, sentence: Sentence) -> None:
        outline = await self.library.outline(self.desk.course_id)
        cited: dict[UUID, list[UUID]] = {}
        for mark in sentence.marks:
            if 0 < mark.lesson <= len(outline):
                lesson_id = outline[mark.lesson - 1].id
                passages = await self.library.passages(lesson_id)
                cited.setdefault(lesson_id, []).extend(
                    one.id for one in passages if one.number == mark.passage
                )
        for lesson_id, passage_ids in cited.items():
            message = protocol.AnswerCited(
                segment_id=sentence.id, lesson_id=lesson_id, passage_ids=passage_ids
            )
            await self._room.local_participant.publish_data(
                protocol.dump(message), topic=protocol.TOPIC_ANSWER_CITED
            )


async def greeting(desk: Desk, learner_name: str, lesson_id: UUID, visit: Visit) -> str:
    """The words of a first greeting: one template for each session type."""
    lesson = await desk.library.lesson(lesson_id)
    course = await desk.library.course(desk.course_id)
    return prompts.render(
        visit.session_type,
        learner=learner_name,
        course=course.title,
        number=visit.lesson_number,
        lesson=lesson.title,
        previous=visit.prev_lesson_title,
    )


async def back_again(desk: Desk, learner_name: str, lesson_id: UUID) -> str:
    """The one line for a learner who was away for less than the greeting pause."""
    lesson = await desk.library.lesson(lesson_id)
    return prompts.render("back_again", learner=learner_name, lesson=lesson.title)
