"""Room events in; learners, lesson news and typed text out, in order and without repeats."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from livekit import rtc
from livekit.agents.types import TOPIC_CHAT

import protocol
from agent.room.learner import LearnerLesson, from_metadata

MAX_TYPED_CHARS = 4000  # of one typed turn; what is longer is cut
MAX_TYPED_BYTES = 64 * 1024  # above this reading stops

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """A lesson change that may not be; the message is said to the sender alone."""


@dataclass(frozen=True)
class Typed:
    """A typed turn; `id` is the same for every copy of it, and of no other turn."""

    id: str
    identity: str
    text: str


@dataclass
class Listener:
    """What the classroom does with the news of its room. All are awaited one at a time."""

    joined: Callable[[LearnerLesson, str], Awaitable[None]]  # learner, participant sid
    left: Callable[[str, str], Awaitable[None]]  # identity, participant sid
    lesson_news: Callable[[LearnerLesson, bool], Awaitable[None]]  # and whether it has a revision
    lesson_asked: Callable[[str, protocol.LessonChange], Awaitable[int]]  # identity -> revision
    typed: Callable[[Typed], Awaitable[None]]
    stop_speech: Callable[[], Awaitable[None]]
    set_speech: Callable[[protocol.SpeechSet], Awaitable[None]]


class RoomEvents:
    """Subscribes to a room before it connects; `run` hands everything on, oldest first."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._queue: asyncio.Queue[Callable[[Listener], Awaitable[None]]] = asyncio.Queue()
        self._present: dict[str, str] = {}  # identity -> sid
        self._seen: set[str] = set()  # ids of typed turns
        self._tasks: set[asyncio.Task[None]] = set()
        room.on("participant_connected", self._on_joined)
        room.on("participant_disconnected", self._on_left)
        room.on("room_metadata_changed", lambda _old, new: self._on_metadata(new))
        room.on("room_updated", lambda: self._on_metadata(room.metadata))
        room.on("reconnected", self._on_reconnected)
        room.on("participant_metadata_changed", self._on_participant_metadata)
        room.on("data_received", self._on_data)
        room.register_text_stream_handler(TOPIC_CHAT, self._on_chat)

    async def run(self, listener: Listener) -> None:
        """Hands on who is there already, then all news, until cancelled."""
        self._register_rpc(listener)
        self._on_reconnected()
        try:
            while True:
                news = await self._queue.get()
                try:
                    await news(listener)
                except Exception:
                    logger.exception("a room event failed")
        finally:
            for task in self._tasks:
                task.cancel()

    def _put(self, news: Callable[[Listener], Awaitable[None]]) -> None:
        self._queue.put_nowait(news)

    def _on_reconnected(self) -> None:
        for identity in set(self._present) - set(self._room.remote_participants):
            self._put_left(identity, self._present.pop(identity))
        for participant in self._room.remote_participants.values():
            self._on_joined(participant)
        self._on_metadata(self._room.metadata)

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        learner = _learner(participant)
        before = self._present.get(participant.identity)
        if learner is None or before == participant.sid:
            return
        if before is not None:  # back before the server told that they had gone
            self._put_left(participant.identity, before)
        self._present[participant.identity] = participant.sid
        self._put(lambda to: to.joined(learner, participant.sid))

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if self._present.get(participant.identity) == participant.sid:
            del self._present[participant.identity]
            self._put_left(participant.identity, participant.sid)

    def _put_left(self, identity: str, sid: str) -> None:
        self._put(lambda to: to.left(identity, sid))

    def _on_metadata(self, text: str) -> None:
        metadata = protocol.parse_metadata(text)
        if metadata is not None and (news := from_metadata("", "", metadata)) is not None:
            revised = "revision" in metadata.model_fields_set
            self._put(lambda to: to.lesson_news(news, revised))

    def _on_participant_metadata(self, participant: rtc.Participant, _old: str, _new: str) -> None:
        if (news := _learner(participant)) is not None:
            self._put(lambda to: to.lesson_news(news, True))

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != protocol.TOPIC_LESSON_CHANGE:
            return
        try:
            change = protocol.parse_lesson_change(packet.data)
        except protocol.ProtocolError:
            logger.info("lesson change not understood", extra={"count": len(packet.data)})
            return
        if packet.participant is None:
            # announced late by the server: the sender is not guessed but asked to say it again
            self._ask_again()
            return
        identity = packet.participant.identity
        self._put(lambda to: self._answer_data(to, identity, change))

    def _ask_again(self) -> None:
        again = protocol.dump(protocol.LessonAgain())
        self._spawn(
            self._room.local_participant.publish_data(again, topic=protocol.TOPIC_LESSON_CHANGE)
        )

    async def _answer_data(
        self, listener: Listener, identity: str, change: protocol.LessonChange
    ) -> None:
        try:
            await listener.lesson_asked(identity, change)
        except RefusedError as error:
            refused = protocol.LessonRefused(lesson_id=change.lesson_id, error=str(error))
            await self._room.local_participant.publish_data(
                protocol.dump(refused),
                topic=protocol.TOPIC_LESSON_CHANGE,
                destination_identities=[identity],
            )

    def _on_chat(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._spawn(self._read_chat(reader, identity))

    async def _read_chat(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text, size = "", 0
        async for chunk in reader:
            size += len(chunk)
            if size <= MAX_TYPED_BYTES:  # the rest is read and dropped
                text += chunk
        # the sender chose the stream's id: mixed with who they are it cannot be another's segment
        segment_id = f"t-{uuid5(NAMESPACE_OID, f'{identity}/{reader.info.stream_id}')}"
        typed = Typed(segment_id, identity, text.strip()[:MAX_TYPED_CHARS])
        if typed.text and typed.id not in self._seen:
            self._seen.add(typed.id)
            self._put(lambda to: to.typed(typed))

    def _register_rpc(self, listener: Listener) -> None:
        local = self._room.local_participant

        async def change_lesson(call: rtc.RpcInvocationData) -> str:
            change = _parsed(protocol.parse_lesson_change, call.payload)
            try:
                revision = await listener.lesson_asked(call.caller_identity, change)
            except RefusedError as error:
                raise rtc.RpcError(403, str(error)) from error
            held = protocol.LessonHeld(lesson_id=change.lesson_id, revision=revision)
            return protocol.dump(held)

        async def stop(call: rtc.RpcInvocationData) -> str:
            _must_be_a_person(call)
            await listener.stop_speech()
            return "{}"

        async def set_speech(call: rtc.RpcInvocationData) -> str:
            _must_be_a_person(call)
            await listener.set_speech(_parsed(protocol.parse_speech_set, call.payload))
            return "{}"

        local.register_rpc_method(protocol.RPC_LESSON_CHANGE, change_lesson)
        local.register_rpc_method(protocol.RPC_SPEECH_STOP, stop)
        local.register_rpc_method(protocol.RPC_SPEECH_SET, set_speech)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("a room message failed", extra={"why": type(error).__name__})


def _learner(participant: rtc.Participant) -> LearnerLesson | None:
    if participant.kind != rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD:
        return None
    metadata = protocol.parse_metadata(participant.metadata)
    if metadata is None:
        return None
    return from_metadata(participant.identity, participant.name, metadata)


def _must_be_a_person(call: rtc.RpcInvocationData) -> None:
    """The server stamps the caller, and announces one who sends no sound up to 3 s late."""
    if call.caller_identity.startswith(protocol.AGENT_PREFIX):
        raise rtc.RpcError(403, "only a person in this room may do that")


def _parsed(parse: Callable[[str], Any], payload: str) -> Any:
    try:
        return parse(payload)
    except protocol.ProtocolError as error:
        raise rtc.RpcError(400, str(error)) from error
