"""One room's lesson: who is here, on which lesson, and who takes care of what happens in it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from livekit import api, rtc
from livekit.agents import utils

import db
import prompts
import protocol
from agent.durable.earlier import Earlier
from agent.durable.journal import Journal
from agent.room.captions import Captions, TutorCaptions
from agent.room.citations import publish_cited
from agent.room.dispatch import Dispatch
from agent.room.events import Listener, RefusedError, RoomEvents
from agent.room.learner import LearnerLesson
from agent.room.lessons import Lessons
from agent.talk.announcements import Announcements
from agent.talk.room_desk import RoomDesk
from agent.talk.speeches import Speeches
from agent.talk.turns import Turns
from agent.talk.welcome import Welcome
from agent.text.lines import SPEECH, Sentence
from db.library import PostgresLibrary
from settings import Settings

ON_ITS_WAY_S = 0.4  # of the last word, in the network and in the buffers of those who listen

logger = logging.getLogger(__name__)


class Classroom:
    """Wires a room's events to the tutor, and all that is said to the journal."""

    def __init__(
        self,
        settings: Settings,
        place: Dispatch,
        *,
        room: rtc.Room,
        pool: db.Pool,
        journal: Journal,
        livekit: api.LiveKitAPI,
        set_rate: Callable[[float], None],
        earlier: Earlier | None,
        serves: Callable[[], Awaitable[bool]],
    ) -> None:
        self._room = room
        self._journal = journal
        self._here: dict[str, str] = {}  # identity -> participant sid
        self._tasks: set[asyncio.Task[None]] = set()
        self._lessons = Lessons(place, pool, livekit, self._moved)
        library = PostgresLibrary(pool, place.tenant_id)
        self.desk = RoomDesk(
            place, library, self._asker, self._change_lesson_by_voice, set_rate=set_rate
        )
        journal.notes.failing = self._notes_failing
        self._events = RoomEvents(room)
        self.captions = Captions(room)
        self.tutor_captions = TutorCaptions(
            self.captions, room, next_id=journal.next_id, keep=self._tutor_said
        )
        self.speeches = Speeches(self.desk)
        self.turns = Turns(self._lessons, journal, self.captions, self.speeches, self._spawn)
        self._announcements = Announcements(
            self._lessons, self.desk, self.speeches, here=self._here, spawn=self._spawn
        )
        self._welcome = Welcome(
            place,
            pool,
            self.desk,
            lessons=self._lessons,
            speeches=self.speeches,
            announcements=self._announcements,
            earlier=earlier,
            serves=serves,
            pause=settings.greeting_pause,
        )

    async def run(self) -> None:
        """Teaches until cancelled."""
        listener = Listener(
            joined=self._joined,
            left=self._left,
            lesson_news=self._lessons.news,
            lesson_asked=self._lessons.asked,
            typed=self.turns.typed,
            stop_speech=self.speeches.stop,
            set_speech=self.speeches.adjust,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._events.run(listener))
                tasks.create_task(self._lessons.reread_forever())
        finally:
            await utils.aio.cancel_and_wait(*self._tasks)

    async def say_goodbye(self) -> None:
        """One line before the worker goes; returns when it was played."""
        if learner := self._anybody():
            await utils.aio.cancel_and_wait(*self._tasks)
            await self.speeches.stop()
            await self.speeches.say(prompts.render("goodbye"), learner, may_be_cut=False)
            await asyncio.sleep(ON_ITS_WAY_S)

    async def _joined(self, learner: LearnerLesson, sid: str) -> None:
        learner = self._lessons.add(learner)
        self._here[learner.identity] = sid
        await self._journal.joined(learner, sid)
        self._spawn(self._welcome.meet(learner))

    async def _left(self, identity: str, sid: str) -> None:
        learner = self._lessons.get(identity)
        if learner is None or self._here.get(identity) != sid:
            return
        del self._here[identity]
        await self._journal.left(learner, sid)
        if not self._here:
            await self.speeches.stop()  # nobody hears it

    def _anybody(self) -> LearnerLesson | None:
        return next((self._lessons.get(identity) for identity in self._here), None)

    def _asker(self) -> LearnerLesson | None:
        """Whom the running reply answers, as they are now."""
        speech = SPEECH.get()
        return self._lessons.get(speech.identity) if speech and speech.identity else None

    async def _change_lesson_by_voice(self, lesson_id: UUID) -> None:
        learner = self._asker()
        if learner is None:
            raise db.NotFound("learner")
        told = self._announcements.told
        before = told.get(learner.identity)
        told[learner.identity] = lesson_id  # the tool's own answer tells it
        try:
            await self._lessons.request(learner, lesson_id, announce=False)
        except RefusedError as error:
            told[learner.identity] = before
            raise db.Forbidden(str(error)) from error
        await self.desk.library.record_visit(learner.account_id, lesson_id, datetime.now(UTC))

    def _moved(self, learner: LearnerLesson, announce: bool) -> None:
        if announce:
            self._announcements.begin(learner.identity)

    async def _tutor_said(self, sentence: Sentence) -> None:
        said_to = self._lessons.get(sentence.line.identity) if sentence.line.identity else None
        await self._journal.tutor_said(self._room.local_participant.identity, sentence, said_to)
        if sentence.marks:
            await publish_cited(self._room, self.desk, sentence)

    def _notes_failing(self, failing: bool) -> None:
        self._spawn(self._tell_notes(failing))

    async def _tell_notes(self, failing: bool) -> None:
        """Says to the page, and once aloud, whether what is said can be written down."""
        state: protocol.NotesState = "failing" if failing else "ok"
        try:
            await self._room.local_participant.set_attributes({protocol.ATTRIBUTE_NOTES: state})
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("the state of the notes was not told")
        if learner := self._anybody():
            line = "notes_failing" if failing else "notes_again"
            await self.speeches.say(prompts.render(line), learner)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("the classroom stumbled", exc_info=error)
