"""One room's lesson: who is here, on which lesson, what is said to whom, and what is kept of it."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from livekit import api, rtc
from livekit.agents import AgentSession, llm, utils
from livekit.agents.voice import SpeechHandle

import db
import prompts
import protocol
from agent.captions import Captions, Sentence, TutorCaptions
from agent.earlier import Earlier
from agent.journal import Dispatched, Journal, Utterance
from agent.lesson import LearnerLesson
from agent.lessons import Lessons
from agent.marks import SPEECH, Speech
from agent.room import Listener, RefusedError, RoomEvents, Typed
from db.library import PostgresLibrary
from db.rooms import find_room_learner, record_greeting
from settings import Settings
from tools.desk import Desk
from tools.greeting import back_again, greeting, resumed

SAME_LOSS_S = 10.0  # who comes back so soon after the apology has heard it, or came by the same way
ON_ITS_WAY_S = 0.4  # of the last word, in the network and in the buffers of those who listen
ANNOUNCE_AFTER_S = 0.4  # quiet time after a lesson change, so that ten in a row are announced once

logger = logging.getLogger(__name__)


class Classroom:
    """Wires a room's events to the tutor, and all that is said to the journal."""

    def __init__(
        self,
        settings: Settings,
        place: Dispatched,
        *,
        room: rtc.Room,
        pool: db.Pool,
        journal: Journal,
        livekit: api.LiveKitAPI,
        set_rate: Callable[[float], None],
        earlier: Earlier | None,
        serves: Callable[[], Awaitable[bool]],
    ) -> None:
        if place.room.course_id is None or place.room.module_id is None:
            raise db.NotFound("the course module of this room")
        self._settings = settings
        self._place = place
        self._room = room
        self._pool = pool
        self._journal = journal
        self._earlier = earlier
        self._serves = serves
        self._resumed_at: float | None = None  # when this agent said sorry, by the loop's clock
        self._lessons = Lessons(place, pool, livekit, self._moved)
        self._here: dict[str, str] = {}  # identity -> participant sid
        self._announced: dict[str, UUID | None] = {}  # the lesson each learner was told last
        self._announcements: dict[str, asyncio.Task[None]] = {}
        self._unanswered: list[tuple[str, str, str]] = []  # identity, segment, text
        self._said_to: dict[str, SpeechHandle] = {}  # what each learner hears last
        self._apology = asyncio.Lock()
        self._speaking_turn = asyncio.Lock()  # one greeting or announcement at a time
        self._tasks: set[asyncio.Task[None]] = set()
        journal.notes.failing = self._notes_failing
        self.events = RoomEvents(room)
        self.captions = Captions(room)
        self.library = PostgresLibrary(pool, place.tenant_id)
        self.desk = RoomDesk(
            self._asker,
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
            self.captions, room, next_id=self._journal.next_id, keep=self._tutor_said
        )
        self.agent_session: AgentSession[None]

    def attach(self, agent_session: AgentSession[None]) -> None:
        """The agent session that speaks here; called once before `run`."""
        self.agent_session = agent_session

    async def run(self) -> None:
        """Teaches until cancelled."""
        listener = Listener(
            joined=self._joined,
            left=self._left,
            lesson_news=self._lessons.news,
            lesson_asked=self._lessons.asked,
            typed=self._typed,
            stop_speech=self._stop_speech,
            set_speech=self._set_speech,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.events.run(listener))
                tasks.create_task(self._lessons.reread_forever())
        finally:
            await utils.aio.cancel_and_wait(*self._tasks)

    # who is here

    async def _joined(self, learner: LearnerLesson, sid: str) -> None:
        learner = self._lessons.add(learner)
        self._here[learner.identity] = sid
        await self._journal.joined(learner, sid)
        self._spawn(self._meet(learner))

    async def _left(self, identity: str, sid: str) -> None:
        learner = self._lessons.get(identity)
        if learner is None or self._here.get(identity) != sid:
            return
        del self._here[identity]
        await self._journal.left(learner, sid)
        if not self._here:
            await self.agent_session.interrupt(force=True)  # nobody hears it

    async def _meet(self, learner: LearnerLesson) -> None:
        if not await self._serves():  # back in a room that was lost and made anew for another
            return
        if self._earlier and await self._earlier.meets(self._pool, learner.account_id):
            await self._resume(self._earlier, learner)
        else:
            await self._greet(learner)

    async def _resume(self, earlier: Earlier, learner: LearnerLesson) -> None:
        """Says sorry once to all, answers what was cut, and greets nobody a second time."""
        learner = await self._lessons.settled(learner)
        self._announced[learner.identity] = learner.lesson_id
        await self._record_visit(learner, greeted=True)
        now = asyncio.get_running_loop().time()
        cut = earlier.cut_turn(learner.account_id, datetime.now(UTC))
        async with self._apology:  # who comes meanwhile is answered after it
            said_at, self._resumed_at = self._resumed_at, self._resumed_at or now
            if said_at is None:
                await self._say(await self._sorry(learner, ask_again=cut is None), learner)
        if said_at is not None and now - said_at > SAME_LOSS_S and learner.lesson_id:
            text = await back_again(self.library, learner=learner.name, lesson_id=learner.lesson_id)
            await self._say(text, learner)
        if cut is not None:
            self._answer(learner.identity, cut.id, cut.text)

    async def _sorry(self, learner: LearnerLesson, *, ask_again: bool) -> str:
        lesson_id = learner.lesson_id if ask_again else None
        return await resumed(self.library, account_id=learner.account_id, lesson_id=lesson_id)

    async def _greet(self, learner: LearnerLesson) -> None:
        """Welcomes once by session type; a learner back within the pause hears one short line."""
        if learner.lesson_id is None:
            return
        text = await self._greeting(learner, learner.lesson_id)
        self._announced[learner.identity] = learner.lesson_id
        # recorded before it is heard: a reload in mid-greeting must not bring a second welcome
        await self._record_visit(learner, greeted=True)
        await self._say(text, learner)

    async def _greeting(self, learner: LearnerLesson, lesson_id: UUID) -> str:
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            row = await find_room_learner(conn, place.tenant_id, place.room.id, learner.account_id)
        pause = self._settings.greeting_pause
        if row and row.greeted_at and datetime.now(UTC) - row.greeted_at < pause:
            return await back_again(self.library, learner=learner.name, lesson_id=lesson_id)
        course_id = self.desk.course_id
        visit = await self.library.visit(learner.account_id, course_id, lesson_id)
        return await greeting(
            self.library, course_id, learner=learner.name, lesson_id=lesson_id, visit=visit
        )

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

    async def _change_lesson_by_voice(self, lesson_id: UUID) -> None:
        learner = self._asker()
        if learner is None:
            raise db.NotFound("learner")
        before = self._announced.get(learner.identity)
        self._announced[learner.identity] = lesson_id  # the tool's own answer tells it
        try:
            await self._lessons.request(learner, lesson_id, announce=False)
        except RefusedError as error:
            self._announced[learner.identity] = before
            raise db.Forbidden(str(error)) from error
        await self._record_visit(replace(learner, lesson_id=lesson_id), greeted=False)

    def _moved(self, learner: LearnerLesson, announce: bool) -> None:
        if not announce:
            return
        if waiting := self._announcements.pop(learner.identity, None):
            waiting.cancel()
        announcing = self._spawn(self._announce(learner.identity))
        self._announcements[learner.identity] = announcing

    async def _announce(self, identity: str) -> None:
        await asyncio.sleep(ANNOUNCE_AFTER_S)
        self._announcements.pop(identity, None)
        await self._lessons.refresh()  # news of a newer change may have got lost
        if identity in self._announcements:
            return  # the database had one: that is announced in place of this
        learner = self._lessons.get(identity)
        if learner is None or identity not in self._here or learner.lesson_id is None:
            return
        if self._announced.get(identity) == learner.lesson_id:
            return
        self._announced[identity] = learner.lesson_id
        await self._record_visit(learner, greeted=False)
        if text := await self._announcement(learner.lesson_id):
            self._hush(identity)
            await self._say(text, learner)

    async def _announcement(self, lesson_id: UUID) -> str:
        """The one line for a new lesson; empty for one that is not published."""
        outline = await self.library.outline(self.desk.course_id)
        for number, lesson in enumerate(outline, 1):
            if lesson.id == lesson_id:
                return prompts.render("lesson_changed", number=number, title=lesson.title)
        return ""

    # what is said

    def _asker(self) -> LearnerLesson | None:
        """Whom the running reply answers, as they are now."""
        speech = SPEECH.get()
        return self._lessons.get(speech.identity) if speech and speech.identity else None

    async def _say(
        self,
        text: str,
        learner: LearnerLesson,
        *,
        may_be_cut: bool = True,
        in_reply_to: str | None = None,
    ) -> None:
        """Says authored text to a learner and returns when it was played or cut."""
        async with self._speaking_turn:
            self.desk.last_answer = text
            speech = Speech(learner.identity, in_reply_to, learner.lesson_id)
            say = partial(self.agent_session.say, text, allow_interruptions=may_be_cut)
            handle = _in_context(speech, say)
            self._said_to[learner.identity] = handle
            await handle.wait_for_playout()

    def _hush(self, identity: str) -> None:
        """Ends what is being said to this learner; others are heard out."""
        handle = self._said_to.get(identity)
        if handle is not None and not handle.done():
            handle.interrupt()

    async def say_goodbye(self) -> None:
        """One line before the worker goes; returns when it was played."""
        if learner := self._anybody():
            await utils.aio.cancel_and_wait(*self._tasks)
            await self.agent_session.interrupt(force=True)
            await self._say(prompts.render("goodbye"), learner, may_be_cut=False)
            await asyncio.sleep(ON_ITS_WAY_S)

    def _anybody(self) -> LearnerLesson | None:
        return next((self._lessons.get(identity) for identity in self._here), None)

    def _notes_failing(self, failing: bool) -> None:
        self._spawn(self._tell_notes(failing))

    async def _tell_notes(self, failing: bool) -> None:
        """Says to the page, and once aloud, whether what is said can be written down."""
        state = "failing" if failing else "ok"
        try:
            await self._room.local_participant.set_attributes({protocol.ATTRIBUTE_NOTES: state})
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("the state of the notes was not told")
        if learner := self._anybody():
            line = "notes_failing" if failing else "notes_again"
            await self._say(prompts.render(line), learner)

    async def learner_said(self, identity: str, said: Utterance) -> bool:
        """A final of the recogniser: kept first, then shown. False where it is not to count."""
        try:
            learner = await self._lessons.find(identity)
        except RefusedError:
            return False
        await self._journal.learner_said(learner, said)
        self.captions.learner(identity, said.segment_id, said.text, final=True)
        self._unanswered.append((identity, said.segment_id, said.text))
        return True

    async def not_heard(self, identity: str, gap: Utterance) -> None:
        """Something was said that nobody could recognise: marked, and the learner is told."""
        try:
            learner = await self._lessons.find(identity)
        except RefusedError:
            return
        await self._journal.learner_said(learner, gap)
        self.captions.learner(identity, gap.segment_id, gap.text, final=True)
        line = prompts.render("not_heard")
        self._spawn(self._say(line, learner, in_reply_to=gap.segment_id))

    def take_turn(self, message: llm.ChatMessage) -> None:
        """Tells this turn's reply whom it answers; what a second learner said comes after it."""
        said, self._unanswered = self._unanswered, []
        if not said:
            return
        first = said[0][0]
        mine = [entry for entry in said if entry[0] == first]
        SPEECH.set(Speech(first, in_reply_to=mine[-1][1]))
        others = [entry for entry in said if entry[0] != first]
        if others:
            message.content = [" ".join(text for _, _, text in mine)]
            for entry in others:
                asyncio.get_running_loop().call_soon(self._answer, *entry)

    async def _typed(self, typed: Typed) -> None:
        try:
            learner = await self._lessons.find(typed.identity)
        except RefusedError:
            return
        now = datetime.now(UTC).timestamp()
        await self._journal.learner_said(learner, Utterance(typed.id, typed.text, "text", now, now))
        self._hush(typed.identity)
        self._answer(typed.identity, typed.id, typed.text)

    def _answer(self, identity: str, segment_id: str, text: str) -> None:
        speech = Speech(identity, in_reply_to=segment_id)
        reply = partial(self.agent_session.generate_reply, user_input=text)
        self._said_to[identity] = _in_context(speech, reply)

    def answering(self, handle: SpeechHandle) -> None:
        """A reply to a spoken turn begins; its learner may cut it by typing."""
        learner = self._asker()
        if learner is not None:
            self._said_to[learner.identity] = handle

    async def _stop_speech(self) -> None:
        await self.agent_session.interrupt(force=True)

    async def _set_speech(self, wanted: protocol.SpeechSet) -> None:
        if wanted.rate is not None:
            self.desk.rate = wanted.rate
            self.desk.set_rate(wanted.rate)

    # what is cited

    async def _tutor_said(self, sentence: Sentence) -> None:
        said_to = self._lessons.get(sentence.line.identity) if sentence.line.identity else None
        await self._journal.tutor_said(self._room.local_participant.identity, sentence, said_to)
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


class RoomDesk(Desk):
    """A desk that always shows whoever the running reply answers, also with several at once."""

    def __init__(self, asker: Callable[[], LearnerLesson | None], **fields: Any) -> None:
        self._asker = asker
        super().__init__(**fields)

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


def _in_context(speech: Speech, begin: Callable[..., SpeechHandle], *args: Any) -> SpeechHandle:
    """Begins a speech whose tasks all see whom it is said to."""
    context = contextvars.copy_context()
    context.run(SPEECH.set, speech)
    return context.run(begin, *args)
