"""A classroom with a real database and spool, and learners who type; nothing is sent or heard."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from livekit import rtc
from livekit.agents import NOT_GIVEN, AgentSession, llm, tts, vad
from livekit.agents.voice import io

from agent.durable.drain import Drainer
from agent.durable.earlier_turns import load_earlier_turns
from agent.durable.journal import Journal
from agent.durable.spool import Spool
from agent.job.agent_session import TURN_HANDLING
from agent.models.choice import build_llm
from agent.models.recogniser import RecogniserSTT
from agent.offline.tutor import OfflineTutor
from agent.room.dispatch import Dispatch
from agent.room.events import RoomEvents
from agent.room.learner import Connection, Learner, Roster
from agent.room.limits import Limits
from agent.room.participant_voice import HeardUtterance
from agent.room.rates import Rates
from agent.room.timed_captions import TimedCaptions
from agent.room.typed_turns import TypedTurn
from agent.talk.classroom import Classroom
from agent.talk.floor import Floor
from agent.talk.room_tutor import RoomTutor
from courses.folder import read_course
from courses.tree import build_tree
from db import Pool, tenant_tx
from db.courses import list_lessons
from db.erasing import erase_words
from db.importing import import_course
from db.leases import begin_next_epoch
from db.members import find_member
from db.rooms import ensure_room, upsert_room_learner
from db.sessions import find_session, insert_session
from harness.provider import MODEL, ModelServer, text_of
from settings import Settings
from speech.client import SpeechClient
from tests.agent.desk_parts import SAMPLE
from tests.agent.waiting import until
from tests.db.rows import choose_storing, make_learner

LONG_AGO = timedelta(minutes=5)


class NullWriter:
    async def write(self, text: str) -> None: ...

    async def aclose(self, **_: object) -> None: ...


class Room:
    """A room that takes everything and reports nothing. `captions` are who was shown what.

    `messages` are topics, payloads and receivers.
    """

    identity = "a_one"
    metadata = ""

    def __init__(self) -> None:
        self.local_participant = self
        self.remote_participants: dict[str, Any] = {}
        self.track_publications: dict[str, Any] = {}
        self.captions: list[tuple[str, list[str] | None]] = []
        self.messages: list[tuple[str, str, list[str]]] = []

    def on(self, *_: object) -> None: ...

    def register_text_stream_handler(self, *_: object) -> None: ...

    def register_rpc_method(self, *_: object) -> None: ...

    async def set_attributes(self, _attributes: dict[str, str]) -> None: ...

    async def stream_text(
        self, *, sender_identity: str, destination_identities: list[str] | None, **_: object
    ) -> NullWriter:
        self.captions.append((sender_identity, destination_identities))
        return NullWriter()

    async def publish_data(
        self, payload: str, *, topic: str, destination_identities: list[str]
    ) -> None:
        self.messages.append((topic, payload, destination_identities))


class Lasting:
    """A lease that is never lost, and a voice whose rate nobody hears."""

    heartbeats = 0  # one for each welcome

    async def send_heartbeat_if_serving(self) -> bool:
        self.heartbeats += 1
        return True

    def set_rate(self, _factor: float) -> None: ...


@dataclass
class School:
    """A session on the sample course, with one classroom at a time."""

    pool: Pool
    spool: Spool
    drainer: Drainer
    dispatch: Dispatch
    settings: Settings
    room: Room = field(default_factory=Room)
    lease: Lasting = field(default_factory=Lasting)
    classroom: Classroom = field(init=False)
    session: AgentSession[None] = field(init=False)
    floor: Floor = field(init=False)
    tutor: RoomTutor = field(init=False)
    journal: Journal = field(init=False)
    limits: Limits = field(init=False)

    @asynccontextmanager
    async def agent(
        self,
        build_llm: Callable[[Classroom], llm.LLM[Any]],
        *,
        voice: tts.TTS[Any] | None = None,
        speaker: io.AudioOutput | None = None,
        prepares: bool = True,
    ) -> AsyncIterator[Classroom]:
        """An agent for this dispatch, which takes over from those before it.

        Without a speaker, everything is said as soon as it is written. It hears what `speaks` says.
        """
        earlier = await load_earlier_turns(self.pool, self.spool, self.dispatch)
        self.journal = Journal(self.spool, self.dispatch, Roster())
        room = cast("rtc.Room", self.room)
        self.floor = floor = Floor(lambda _identity: None)
        self.limits = Limits(room)
        self.limits.rates = Rates(clock=lambda: 0.0)  # however slow the machine is
        self.classroom = classroom = Classroom(
            self.settings,
            self.dispatch,
            events=RoomEvents(room, self.limits, floor),
            pool=self.pool,
            livekit=cast("Any", None),
            journal=self.journal,
            pace=Lasting(),
            lease=self.lease,
            earlier=earlier,
        )
        model = build_llm(classroom)
        self.session = AgentSession(
            llm=model,
            tts=voice or NOT_GIVEN,
            vad=floor,
            stt=RecogniserSTT(SpeechClient(Path("none")), model="none"),  # learners say texts
            turn_handling=TURN_HANDLING,
            aec_warmup_duration=None,
        )
        classroom.tutor_speech.attach_session(self.session)
        classroom.nudges.attach_session(self.session)
        in_time = speaker and TimedCaptions(speaker, classroom.tutor_captions)
        self.tutor = tutor = RoomTutor(
            classroom,
            floor,
            wait_for_captions=in_time.wait_until_shown if in_time else _at_once,
            prepares=prepares,
        )
        await self.session.start(tutor, record=False)
        self.session.output.audio = in_time.audio_output if in_time else None
        captions = in_time.text_output if in_time else classroom.tutor_captions
        self.session.output.transcription = captions
        try:
            yield classroom
        finally:
            await self.session.aclose()
            if in_time:
                await in_time.aclose()
            await classroom.tutor_captions.wait_until_recorded()
            await classroom.captions.close()
            await model.aclose()

    async def arrives(
        self, name: str, *, stores: bool = True, ago: timedelta = LONG_AGO
    ) -> Learner:
        """A learner in the first lesson who has been here for a while."""
        dispatch, identity = self.dispatch, await self.adds(name, stores=stores)
        async with tenant_tx(self.pool, dispatch.tenant_id) as conn:
            member = await find_member(conn, dispatch.tenant_id, dispatch.room.id, identity)
        assert member is not None
        learner = self.classroom.roster.add(member)
        learner.connection = Connection(f"PA_{name}", datetime.now(UTC) - ago)
        self.classroom.conversations.restore_last_answer(learner)
        return learner

    async def adds(self, name: str, *, stores: bool = True) -> str:
        """Gives a learner access to the room, in its first lesson. Returns their identity."""
        dispatch = self.dispatch
        async with tenant_tx(self.pool, dispatch.tenant_id) as conn:
            account = await make_learner(conn, dispatch.tenant_id, name)
            assert dispatch.room.module_id is not None
            (lesson, *_) = await list_lessons(conn, dispatch.tenant_id, dispatch.room.module_id)
            await upsert_room_learner(
                conn, dispatch.tenant_id, dispatch.room.id, account.id, lesson.id
            )
            await choose_storing(conn, dispatch.tenant_id, account.id, store_words=stores)
        return account.identity

    async def note_joined(self, learner: Learner) -> None:
        """Stores the learner's presence, so that a successor knows of it."""
        assert learner.connection is not None
        await self.journal.record_join(learner, learner.connection)

    async def ask(self, learner: Learner, text: str, key: str = "") -> str:
        """Types a question, and returns the answer once it is said."""
        key = key or f"t-{learner.name}-{text}"
        await self.classroom.turns.answer_typed_turn(TypedTurn(key, learner.identity, text))
        assert learner.newest_speech is not None
        await asyncio.wait_for(learner.newest_speech.wait_for_playout(), 20)
        await self.classroom.tutor_captions.wait_until_recorded()
        return self.answer(learner)

    def begins_to_speak(self, learner: Learner) -> None:
        self.floor.on_speech(
            learner.identity, vad.VADEvent(vad.VADEventType.START_OF_SPEECH, 0, 0.0, 0.0, 0.0)
        )

    def has_said(self, learner: Learner, text: str, *, lasted_s: float = 1.0) -> str:
        """Ends what the learner has begun to say. Returns the id of its segment."""
        now, segment_id = time.time(), self.journal.next_segment_id()
        end = vad.VADEvent(vad.VADEventType.END_OF_SPEECH, 0, 0.0, 0.0, 0.0)
        self.floor.on_speech(learner.identity, end)
        self.floor.on_utterance(
            HeardUtterance("final", learner.identity, segment_id, now - lasted_s, now, text=text)
        )
        return segment_id

    def answer(self, learner: Learner) -> str:
        assert learner.newest_speech is not None
        said = [one for one in learner.newest_speech.chat_items if one.type == "message"]
        return " ".join(one.text_content or "" for one in said)

    async def wait_until_said(self, learner: Learner, text: str, times: int) -> None:
        """Returns once this was said to a learner so often."""
        await until(lambda: self.count_said(learner, text) >= times, f"{text!r} is said")

    def count_said(self, learner: Learner, text: str) -> int:
        said = self.classroom.conversations.conversation_of(learner.identity).own
        return sum(one.by_tutor and text in one.text for one in said)

    async def erase(self, learner: Learner) -> None:
        """Erases as the web route does. The agent has not noticed yet."""
        dispatch = self.dispatch
        async with tenant_tx(self.pool, dispatch.tenant_id) as conn:
            await erase_words(
                conn, dispatch.tenant_id, dispatch.session.id, learner.account_id, datetime.now(UTC)
            )

    async def next_epoch(self) -> None:
        """Stores everything, and makes the next agent the successor."""
        while await self.drainer.drain_batch():
            pass
        dispatch = self.dispatch
        async with tenant_tx(self.pool, dispatch.tenant_id) as conn:
            epoch = await begin_next_epoch(
                conn, dispatch.tenant_id, dispatch.session.id, datetime.now(UTC)
            )
        self.dispatch = Dispatch(dispatch.tenant_id, dispatch.room, dispatch.session, epoch)


async def _at_once() -> None: ...


def offline(classroom: Classroom) -> llm.LLM[object]:
    return OfflineTutor(classroom.desk)


class Remote:
    """Builds a language model that asks the provider."""

    def __init__(self, provider: ModelServer, settings: Settings) -> None:
        changes = {"llm_base_url": provider.url, "llm_model": MODEL}
        self.settings = settings.model_copy(update=changes)

    def __call__(self, classroom: Classroom) -> llm.LLM[object]:
        return build_llm(self.settings, classroom.desk)[0]


async def open_school(pool: Pool, tenant_id: UUID, path: Path, settings: Settings) -> School:
    """Close its spool at the end."""
    tree = build_tree(read_course(SAMPLE), tenant_id)
    now = datetime.now(UTC) - LONG_AGO
    async with tenant_tx(pool, tenant_id) as conn:
        course = await import_course(conn, tenant_id, tree)
        room = await ensure_room(
            conn,
            tenant_id,
            name=f"{course.id}-{tree.modules[0].id}",
            course_id=course.id,
            module_id=tree.modules[0].id,
        )
        session = await insert_session(conn, tenant_id, room.id, "RM_1", now)
        epoch = await begin_next_epoch(conn, tenant_id, session.id, now)
        found = await find_session(conn, tenant_id, session.id)
    assert found is not None
    spool = Spool(path / "spool.sqlite3")
    dispatch = Dispatch(tenant_id, room, found, epoch)
    return School(pool, spool, Drainer(spool, pool), dispatch, settings)


def prompt_of(request: dict[str, Any]) -> str:
    """The words of a request to a provider, with the role before each message."""
    return "\n".join(f"<{one['role']}> {text_of(one)}" for one in request["messages"])
