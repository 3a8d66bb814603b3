"""Room events in order, once each: joins, leaves, lesson changes, typed text."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, assert_never

from livekit import rtc
from livekit.agents.types import TOPIC_CHAT

import protocol
from agent.room import publish
from agent.room.learner import News, news_from_metadata
from agent.room.lessons import Lessons, RefusedError
from agent.room.limits import Limits
from agent.room.tasks import Tasks
from agent.room.typed_turns import TypedTurn, TypedTurns
from agent.room.wishes import ReplacedError, Wishes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Joined:
    identity: str
    sid: str


@dataclass(frozen=True)
class Left:
    identity: str
    sid: str


Event = Joined | Left | News | TypedTurn


class JoinReceiver(Protocol):
    async def learner_joined(self, joined: Joined) -> None: ...

    async def learner_left(self, left: Left) -> None: ...


class TypedTurnReceiver(Protocol):
    async def answer_typed_turn(self, typed: TypedTurn) -> None: ...


class WaitingList(Protocol):
    def note_waiting(self, identity: str) -> None: ...

    def note_left(self, identity: str) -> None: ...


class ActivityReceiver(Protocol):
    def set_activity(self, identity: str, wanted: protocol.ActivitySet) -> None: ...


class SpeechControl(Protocol):
    def stop_speech_to(self, identity: str) -> None: ...

    def set_rate_of_learner(self, identity: str, wanted: protocol.SpeechSet) -> None: ...


@dataclass(frozen=True)
class Receivers:
    """Who handles which events. Events are handled one at a time, remote calls concurrently."""

    people: JoinReceiver
    lessons: Lessons
    turns: TypedTurnReceiver
    voice: SpeechControl
    activity: ActivityReceiver


class RoomEvents:
    """Create it before the room connects, so that no event is missed."""

    def __init__(self, room: rtc.Room, limits: Limits, waiting: WaitingList) -> None:
        self.room = room
        self._waiting = waiting
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._present: dict[str, str] = {}  # identity -> sid, as queued so far
        self.limits = limits
        self._tasks = Tasks("room_events")
        self._typed_turns = TypedTurns(limits, self._tasks, self._queue.put_nowait)
        self._wishes = Wishes(room, limits, self._tasks)
        room.on("participant_connected", self._on_joined)
        room.on("participant_disconnected", self._on_left)
        room.on("room_metadata_changed", lambda _old, new: self._on_metadata(new))
        room.on("room_updated", lambda: self._on_metadata(room.metadata))
        room.on("reconnected", self._on_reconnected)
        room.on("participant_metadata_changed", self._on_participant_metadata)
        room.on("data_received", self._on_data)
        room.register_text_stream_handler(TOPIC_CHAT, self._typed_turns.on_stream)

    async def run(self, to: Receivers) -> None:
        """Delivers joins of everyone in the room, then every event, until cancelled."""
        self._wishes.start_granting(to.lessons)
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
                self._waiting.note_left(event.identity)
                await to.people.learner_left(event)
            case News():
                await to.lessons.apply_news(event)
            case TypedTurn():
                self._waiting.note_waiting(event.identity)
                await to.turns.answer_typed_turn(event)
            case _:
                assert_never(event)

    def _on_reconnected(self) -> None:
        for identity in set(self._present) - set(self.room.remote_participants):
            self._queue_left(identity)
        for participant in self.room.remote_participants.values():
            self._on_joined(participant)
        self._on_metadata(self.room.metadata)

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
        self._typed_turns.drop_unfinished(identity)

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
        if packet.participant is None:
            # the server has not announced the sender yet: ask everyone to send it again
            if self.limits.rates.allow("", "again"):
                again = publish.send_message(
                    self.room, protocol.TOPIC_LESSON_CHANGE, protocol.LessonAgain()
                )
                self._tasks.spawn(again)
            return
        self._wishes.queue_message(packet.participant.identity, packet.data)

    def _register_rpc_methods(self, to: Receivers) -> None:
        local = self.room.local_participant

        async def change_lesson(call: rtc.RpcInvocationData) -> str:
            try:
                with _protocol_error_as_rpc_error():
                    held = await self._wishes.ask_and_wait(call.caller_identity, call.payload)
            except RefusedError as error:
                raise rtc.RpcError(403, str(error)) from error
            except ReplacedError as error:
                raise rtc.RpcError(409, str(error)) from error
            return protocol.dump(held)

        async def stop_speech(call: rtc.RpcInvocationData) -> str:
            self._refuse_agents_and_floods(call)
            to.voice.stop_speech_to(call.caller_identity)
            return "{}"

        async def set_speech(call: rtc.RpcInvocationData) -> str:
            self._refuse_agents_and_floods(call)
            with _protocol_error_as_rpc_error():
                wanted = protocol.parse_speech_set(call.payload)
            to.voice.set_rate_of_learner(call.caller_identity, wanted)
            return "{}"

        async def set_activity(call: rtc.RpcInvocationData) -> str:
            self._refuse_agents_and_floods(call, "activity")
            with _protocol_error_as_rpc_error():
                wanted = protocol.parse_activity_set(call.payload)
            to.activity.set_activity(call.caller_identity, wanted)
            return "{}"

        local.register_rpc_method(protocol.RPC_ACTIVITY_SET, set_activity)
        local.register_rpc_method(protocol.RPC_LESSON_CHANGE, change_lesson)
        local.register_rpc_method(protocol.RPC_SPEECH_STOP, stop_speech)
        local.register_rpc_method(protocol.RPC_SPEECH_SET, set_speech)

    def _refuse_agents_and_floods(
        self, call: rtc.RpcInvocationData, kind: Literal["speech", "activity"] = "speech"
    ) -> None:
        """Raises RpcError for agents, and for people who call too often."""
        # by prefix: a caller without a microphone may be announced up to 3 s after the call
        if call.caller_identity.startswith(protocol.AGENT_PREFIX):
            raise rtc.RpcError(403, "only a person in this room may do that")
        if not self.limits.rates.allow(call.caller_identity, kind):
            raise rtc.RpcError(429, "you did that too often: wait a moment, then try again")


def _is_person(participant: rtc.Participant) -> bool:
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD


@contextlib.contextmanager
def _protocol_error_as_rpc_error() -> Iterator[None]:
    try:
        yield
    except protocol.ProtocolError as error:
        raise rtc.RpcError(400, str(error)) from error
