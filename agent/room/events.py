"""Room events in order, once each: joins, leaves, lesson changes, typed text."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, assert_never
from uuid import NAMESPACE_OID, uuid5

from livekit import rtc
from livekit.agents.types import TOPIC_CHAT

import protocol
from agent.room import publish
from agent.room.learner import News, news_from_metadata
from agent.room.lessons import Lessons, RefusedError
from agent.room.tasks import Tasks

MAX_TYPED_CHARS = 4000  # longer turns are cut
MAX_TYPED_BYTES = 64 * 1024  # anything beyond is read and dropped
IN_ORDER_S = 2.0  # how long a typed turn waits for one that its sender started before

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Joined:
    """Somebody connected. `sid` identifies the connection."""

    identity: str
    sid: str


@dataclass(frozen=True)
class Left:
    identity: str
    sid: str


@dataclass(frozen=True)
class LessonAsked:
    identity: str
    change: protocol.LessonChange


@dataclass(frozen=True)
class Typed:
    """A typed turn. Copies of one turn have the same `id`."""

    id: str
    identity: str
    text: str


Event = Joined | Left | News | LessonAsked | Typed


class JoinReceiver(Protocol):
    async def learner_joined(self, joined: Joined) -> None: ...

    async def learner_left(self, left: Left) -> None: ...


class TypedTurnReceiver(Protocol):
    async def answer_typed_turn(self, typed: Typed) -> None: ...


class SpeechControl(Protocol):
    async def stop_speaking(self) -> None: ...

    def adjust_rate(self, wanted: protocol.SpeechSet) -> None: ...


@dataclass(frozen=True)
class Receivers:
    """Who handles which events. Events are handled one at a time, remote calls concurrently."""

    people: JoinReceiver
    lessons: Lessons
    turns: TypedTurnReceiver
    voice: SpeechControl


class RoomEvents:
    """Create it before the room connects, so that no event is missed."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._present: dict[str, str] = {}  # identity -> sid, as queued so far
        self._seen: set[str] = set()  # ids of typed turns
        self._reading: dict[str, asyncio.Task[None]] = {}  # identity -> the turn started last
        self._tasks = Tasks("room_events")
        room.on("participant_connected", self._on_joined)
        room.on("participant_disconnected", self._on_left)
        room.on("room_metadata_changed", lambda _old, new: self._on_metadata(new))
        room.on("room_updated", lambda: self._on_metadata(room.metadata))
        room.on("reconnected", self._on_reconnected)
        room.on("participant_metadata_changed", self._on_participant_metadata)
        room.on("data_received", self._on_data)
        room.register_text_stream_handler(TOPIC_CHAT, self._on_typed_turn)

    async def run(self, to: Receivers) -> None:
        """Delivers the joins of everyone in the room first."""
        self._register_rpc_methods(to)
        self._on_reconnected()
        try:
            while True:
                event = await self._queue.get()
                try:
                    await self._deliver_event(event, to)
                except Exception:
                    logger.exception("room event failed", extra={"kind": type(event).__name__})
        finally:
            await self._tasks.close()

    async def _deliver_event(self, event: Event, to: Receivers) -> None:
        match event:
            case Joined():
                await to.people.learner_joined(event)
            case Left():
                await to.people.learner_left(event)
            case News():
                await to.lessons.apply_news(event)
            case LessonAsked():
                await self._change_lesson(event, to.lessons)
            case Typed():
                await to.turns.answer_typed_turn(event)
            case _:
                assert_never(event)

    async def _change_lesson(self, asked: LessonAsked, lessons: Lessons) -> None:
        try:
            await lessons.handle_lesson_change(asked.identity, asked.change)
        except RefusedError as error:
            refused = protocol.LessonRefused(lesson_id=asked.change.lesson_id, error=str(error))
            topic = protocol.TOPIC_LESSON_CHANGE
            await publish.send_message(self._room, topic, refused, to=[asked.identity])

    def _on_reconnected(self) -> None:
        for identity in set(self._present) - set(self._room.remote_participants):
            self._queue_left(identity)
        for participant in self._room.remote_participants.values():
            self._on_joined(participant)
        self._on_metadata(self._room.metadata)

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        identity, sid = participant.identity, participant.sid
        if not _is_person(participant) or self._present.get(identity) == sid:
            return
        if identity in self._present:  # back before the server noticed that they had gone
            self._queue_left(identity)
        self._present[identity] = sid
        self._queue.put_nowait(Joined(identity, sid))
        self._on_participant_metadata(participant)

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if self._present.get(participant.identity) == participant.sid:
            self._queue_left(participant.identity)

    def _queue_left(self, identity: str) -> None:
        self._queue.put_nowait(Left(identity, self._present.pop(identity)))

    def _on_metadata(self, text: str) -> None:
        if metadata := protocol.parse_metadata(text):
            self._queue.put_nowait(news_from_metadata(metadata.user_id, metadata))

    def _on_participant_metadata(self, participant: rtc.Participant, *_: str) -> None:
        metadata = protocol.parse_metadata(participant.metadata)
        if metadata and _is_person(participant):
            # a token without a revision predates all lesson changes and requests none
            news = replace(news_from_metadata(participant.identity, metadata), revised=True)
            self._queue.put_nowait(news)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != protocol.TOPIC_LESSON_CHANGE:
            return
        try:
            change = protocol.parse_lesson_change(packet.data)
        except protocol.ProtocolError:
            logger.info("lesson change not understood", extra={"count": len(packet.data)})
            return
        if packet.participant is None:
            # the server has not announced the sender yet: ask everyone to send it again
            again = publish.send_message(
                self._room, protocol.TOPIC_LESSON_CHANGE, protocol.LessonAgain()
            )
            self._tasks.spawn(again)
            return
        self._queue.put_nowait(LessonAsked(packet.participant.identity, change))

    def _on_typed_turn(self, reader: rtc.TextStreamReader, identity: str) -> None:
        before = self._reading.get(identity)
        self._reading[identity] = self._tasks.spawn(self._read_typed_turn(reader, identity, before))

    async def _read_typed_turn(
        self, reader: rtc.TextStreamReader, identity: str, before: asyncio.Task[None] | None
    ) -> None:
        """Queues a typed turn, after the one its sender started before it."""
        text, size = "", 0
        async for chunk in reader:
            size += len(chunk)
            if size <= MAX_TYPED_BYTES:
                text += chunk
        if before is not None:  # streams are read at the same time, and may end in another order
            await asyncio.wait({before}, timeout=IN_ORDER_S)
        # senders choose the stream id: adding their identity keeps it apart from others' segments
        segment_id = f"t-{uuid5(NAMESPACE_OID, f'{identity}/{reader.info.stream_id}')}"
        typed = Typed(segment_id, identity, text.strip()[:MAX_TYPED_CHARS])
        if typed.text and typed.id not in self._seen:
            self._seen.add(typed.id)
            self._queue.put_nowait(typed)

    def _register_rpc_methods(self, to: Receivers) -> None:
        local = self._room.local_participant

        async def change_lesson(call: rtc.RpcInvocationData) -> str:
            with _protocol_error_as_rpc_error():
                change = protocol.parse_lesson_change(call.payload)
            try:
                revision = await to.lessons.handle_lesson_change(call.caller_identity, change)
            except RefusedError as error:
                raise rtc.RpcError(403, str(error)) from error
            held = protocol.LessonHeld(lesson_id=change.lesson_id, revision=revision)
            return protocol.dump(held)

        async def stop_speech(call: rtc.RpcInvocationData) -> str:
            _refuse_agent_caller(call)
            await to.voice.stop_speaking()
            return "{}"

        async def set_speech(call: rtc.RpcInvocationData) -> str:
            _refuse_agent_caller(call)
            with _protocol_error_as_rpc_error():
                wanted = protocol.parse_speech_set(call.payload)
            to.voice.adjust_rate(wanted)
            return "{}"

        local.register_rpc_method(protocol.RPC_LESSON_CHANGE, change_lesson)
        local.register_rpc_method(protocol.RPC_SPEECH_STOP, stop_speech)
        local.register_rpc_method(protocol.RPC_SPEECH_SET, set_speech)


def _is_person(participant: rtc.Participant) -> bool:
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD


def _refuse_agent_caller(call: rtc.RpcInvocationData) -> None:
    # by prefix: a caller without a microphone may be announced up to 3 s after the call
    if call.caller_identity.startswith(protocol.AGENT_PREFIX):
        raise rtc.RpcError(403, "only a person in this room may do that")


@contextlib.contextmanager
def _protocol_error_as_rpc_error() -> Iterator[None]:
    try:
        yield
    except protocol.ProtocolError as error:
        raise rtc.RpcError(400, str(error)) from error
