"""The lesson in one room: builds its parts, and handles joins and leaves."""

import asyncio
import contextlib
from datetime import UTC, datetime

from livekit import api

import db
import prompts
import protocol
from agent.durable.earlier_turns import EarlierTurns
from agent.durable.journal import Journal
from agent.room import publish
from agent.room.captions import Captions, TutorCaptions
from agent.room.citations import Citations
from agent.room.dispatch import Dispatch
from agent.room.erasures import Erasures
from agent.room.events import Joined, Left, Receivers, RoomEvents
from agent.room.learner import Connection, Learner
from agent.room.lessons import Lessons, RefusedError
from agent.room.tasks import Tasks
from agent.talk.announcements import Announcements
from agent.talk.conversations import Conversations
from agent.talk.nudges import Nudges
from agent.talk.prepared_answers import PreparedAnswers
from agent.talk.room_talk import RoomTalk
from agent.talk.turns import Turns
from agent.talk.tutor_speech import Pace, TutorSpeech
from agent.talk.welcome import LeaseHolder, Welcome
from db.erasing import ErasedWords
from db.library import PostgresLibrary
from settings import Settings
from tools.desk import Desk

HELD_SHOWN_AFTER_S = 1.0
ON_ITS_WAY_S = 0.4  # for the last word to pass the network and the listeners' buffers


class Classroom:
    def __init__(
        self,
        settings: Settings,
        dispatch: Dispatch,
        *,
        events: RoomEvents,
        pool: db.Pool,
        livekit: api.LiveKitAPI,
        journal: Journal,
        pace: Pace,
        lease: LeaseHolder,
        earlier: EarlierTurns | None,
    ) -> None:
        """Raises NotFound for a room that belongs to no course."""
        if dispatch.room.course_id is None:
            raise db.NotFound("the course of this room")
        self._room = room = events.room
        self.roster = roster = journal.roster
        self._journal = journal
        self._failing = self._held = False  # whether storing fails, and whether words wait
        self._unknown: set[Learner] = set()  # joined while the database was away
        self.conversations = Conversations(journal)
        self.prepared_answers = PreparedAnswers()
        if earlier is not None:
            self.conversations.take_over(earlier)
        self._tasks = Tasks("classroom")
        self._events = events
        self._rates = events.limits.rates
        self._lessons = Lessons(dispatch, pool, livekit, roster)
        self.erasures = Erasures(dispatch, pool, self._forget_erased)
        library, course_id = PostgresLibrary(pool, dispatch.tenant_id), dispatch.room.course_id
        self.captions = Captions(room)
        self.tutor_captions = TutorCaptions(
            self.captions,
            room,
            record=self.conversations,
            citations=Citations(room, library, course_id),
        )
        self.tutor_speech = TutorSpeech(roster, self.conversations, pace, tasks=self._tasks)
        self.nudges = Nudges(roster, self.tutor_speech, tasks=self._tasks)
        self.turns = Turns(
            self._lessons,
            self.conversations,
            self.captions,
            self.tutor_speech,
            rates=self._rates,
            tasks=self._tasks,
        )
        self._announcements = Announcements(
            library, course_id, self._lessons, self.tutor_speech, tasks=self._tasks
        )
        talk = RoomTalk(
            roster,
            self.conversations,
            self._lessons,
            self._announcements,
            tutor_speech=self.tutor_speech,
            rates=self._rates,
        )
        self.desk = Desk(library, course_id, talk, now=lambda: datetime.now(UTC))
        self._welcome = Welcome(
            dispatch,
            pool,
            self.desk,
            lessons=self._lessons,
            tutor_speech=self.tutor_speech,
            announcements=self._announcements,
            earlier=earlier,
            lease=lease,
            pause=settings.greeting_pause,
        )

    async def run(self) -> None:
        receivers = Receivers(
            people=self,
            lessons=self._lessons,
            turns=self.turns,
            voice=self.tutor_speech,
            activity=self.nudges,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._events.run(receivers))
                tasks.create_task(self._lessons.sync_with_database_forever())
                tasks.create_task(self.erasures.reread_forever())
                tasks.create_task(self._announcements.announce_moves())
                tasks.create_task(self._report_storing_changes())
                tasks.create_task(self._tell_page_of_held_words())
                tasks.create_task(self._settle_what_waited_for_database())
        finally:
            self.prepared_answers.drop_all()
            await self._tasks.close()

    async def say_goodbye(self) -> None:
        if present := self.roster.list_present():
            await self._tasks.cancel_all()
            await self.tutor_speech.stop_speaking()
            await self.tutor_speech.say(prompts.render("goodbye"), present[0], may_be_cut=False)
            await asyncio.sleep(ON_ITS_WAY_S)

    async def learner_joined(self, joined: Joined) -> None:
        try:
            learner = await self._lessons.read_into_roster(joined.identity)
        except RefusedError:
            return
        connection = Connection(joined.sid, datetime.now(UTC))
        learner.connection = connection
        self.conversations.restore_last_answer(learner)
        if learner.known:
            self._unknown.discard(learner)
            await self._record_and_welcome(learner, connection)
        else:
            self._unknown.add(learner)

    async def _record_and_welcome(self, learner: Learner, connection: Connection) -> None:
        await self._journal.record_join(learner, connection)
        if self._rates.allow(learner.identity, "welcome"):
            self._tasks.spawn(self._welcome.welcome_learner(learner))
        else:
            self._lessons.moves.put_nowait(learner)  # they may be back with another lesson

    async def learner_left(self, left: Left) -> None:
        learner = self.roster.get(left.identity)
        if learner is None or learner.connection is None or learner.connection.sid != left.sid:
            return
        connection, learner.connection = learner.connection, None
        learner.typing = learner.video_playing = False
        self.prepared_answers.drop(learner.identity)
        if learner.known:
            await self._journal.record_leave(learner, connection)
        if not self.roster.list_present():
            await self.tutor_speech.stop_speaking()  # nobody is listening

    async def _settle_what_waited_for_database(self) -> None:
        """Stores or drops held words, and greets unknown learners, once they can be read."""
        choices_read = self._lessons.choices_read
        while True:
            await choices_read.wait()
            choices_read.clear()
            await self._journal.store_or_drop_held()
            await self._welcome_learners_now_known()

    async def _welcome_learners_now_known(self) -> None:
        settled = {one for one in self._unknown if one.known or one.refused}
        self._unknown -= settled
        for learner in settled:
            if learner.known and learner.connection is not None:
                await self._record_and_welcome(learner, learner.connection)

    def _forget_erased(self, erased: ErasedWords) -> None:
        self.conversations.forget_erased(erased)
        self.prepared_answers.drop_all()  # their prompts may hold what was erased
        self.tutor_speech.stop_replies_to_erased()

    async def _report_storing_changes(self) -> None:
        while True:
            failing = await self._journal.writer.failing_changes.get()
            self._failing = failing
            self._tasks.spawn(self._publish_and_say_storing_state(failing))

    async def _publish_and_say_storing_state(self, failing: bool) -> None:
        """Reports to the page and the learners whether the conversation can be stored."""
        await self._publish_notes_state()
        if present := self.roster.list_present():
            line = prompts.render("notes_failing" if failing else "notes_again")
            await self.tutor_speech.say(line, present[0])

    async def _tell_page_of_held_words(self) -> None:
        """Tells the page when words wait in memory, unless they wait only for a moment."""
        changes = self._journal.held_changes
        while True:
            if not await changes.get():
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changes.get(), HELD_SHOWN_AFTER_S)
                continue
            self._held = True
            await self._publish_notes_state()
            await changes.get()
            self._held = False
            await self._publish_notes_state()

    async def _publish_notes_state(self) -> None:
        state: protocol.NotesState = "ok"
        if self._failing:
            state = "failing"
        elif self._held:
            state = "held"
        await publish.set_attribute(self._room, protocol.ATTRIBUTE_NOTES, state)
