"""Typed turns: text streams on the topic `lk.chat`, in the order in which they were started."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import NAMESPACE_OID, uuid5

from livekit import rtc

from agent.room.limits import Limits
from agent.room.open_streams import OpenStreams
from agent.room.tasks import Tasks

MAX_TYPED_CHARS = 4000  # longer turns are cut
MAX_TYPED_BYTES = 64 * 1024  # longer ones are refused
IN_ORDER_S = 2.0  # how long a typed turn waits for one that its sender started before
REMEMBERED = 500  # ids of turns, to recognise copies


@dataclass(frozen=True)
class TypedTurn:
    """A typed turn. Copies of one turn have the same `id`."""

    id: str
    identity: str
    text: str


class TypedTurns:
    def __init__(self, limits: Limits, tasks: Tasks, hand_on: Callable[[TypedTurn], None]) -> None:
        self._limits = limits
        self._streams = OpenStreams(tasks)
        self._hand_on = hand_on
        self._seen: dict[str, None] = {}  # ids, the oldest first

    def on_stream(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if (reader.info.size or 0) > MAX_TYPED_BYTES:
            reader.close()
            self._refuse_turn(reader, identity)
            return
        before = self._streams.newest(identity)
        refuse = partial(self._refuse_turn, reader, identity)
        read = partial(self._read_turn, reader, identity, before)
        if not self._streams.start_reading(reader, identity, read, on_unfinished=refuse):
            refuse()

    def drop_unfinished(self, identity: str) -> None:
        self._streams.close_streams_of(identity)

    async def _read_turn(
        self, reader: rtc.TextStreamReader, identity: str, before: asyncio.Task[None] | None
    ) -> None:
        """Hands on a typed turn, after the one its sender started before it."""
        text, size = "", 0
        async for chunk in reader:
            size += len(chunk)
            if size > MAX_TYPED_BYTES:
                self._refuse_turn(reader, identity)
                return
            text += chunk
        if before is not None:  # streams are read at the same time, and may end in another order
            await asyncio.wait({before}, timeout=IN_ORDER_S)
        # senders choose the stream id: adding their identity keeps it apart from others' segments
        segment_id = f"t-{uuid5(NAMESPACE_OID, f'{identity}/{reader.info.stream_id}')}"
        typed = TypedTurn(segment_id, identity, text.strip()[:MAX_TYPED_CHARS])
        if not typed.text or typed.id in self._seen:
            return
        if not self._limits.rates.allow(identity, "turn"):
            self._refuse_turn(reader, identity)
            return
        self._remember_id(typed.id)
        self._hand_on(typed)

    def _remember_id(self, segment_id: str) -> None:
        self._seen[segment_id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _refuse_turn(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._limits.send_refusal(identity, "turn", stream_id=reader.info.stream_id)
