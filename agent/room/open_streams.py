"""The data streams that are being read: few at once per sender, each for a limited time."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from livekit import rtc

from agent.room.tasks import Tasks

AT_ONCE = 4  # per sender; the page sends one after the other
TIMEOUT_S = 10.0

Reader = rtc.TextStreamReader | rtc.ByteStreamReader
Reading = asyncio.Task[None]


class OpenStreams:
    """Closes every stream: at its end, after TIMEOUT_S, or when its sender leaves.

    An open stream costs memory, and time for every event of the room.
    """

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._open: dict[str, list[Reading]] = {}  # by sender, the oldest first

    def newest(self, sender: str) -> Reading | None:
        return next(reversed(self._open.get(sender, [])), None)

    def start_reading(
        self,
        reader: Reader,
        sender: str,
        read: Callable[[], Awaitable[None]],
        *,
        on_unfinished: Callable[[], None] | None = None,
    ) -> bool:
        """Starts to read a stream. Closes it and returns False if its sender has too many open.

        Calls `on_unfinished` if the stream does not end in time, or is larger than the room allows.
        """
        mine = self._open.setdefault(sender, [])
        if len(mine) >= AT_ONCE:
            reader.close()
            return False
        reading = self._tasks.spawn(_read_in_time(reader, read, on_unfinished))
        mine.append(reading)
        reading.add_done_callback(partial(self._forget_reading, sender))
        reading.add_done_callback(lambda _: reader.close())  # also if it was cancelled unstarted
        return True

    def close_streams_of(self, sender: str) -> None:
        for reading in self._open.get(sender, ()):
            reading.cancel()

    def _forget_reading(self, sender: str, reading: Reading) -> None:
        self._open[sender].remove(reading)
        if not self._open[sender]:
            del self._open[sender]


async def _read_in_time(
    reader: Reader, read: Callable[[], Awaitable[None]], on_unfinished: Callable[[], None] | None
) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await read()
    except (TimeoutError, rtc.StreamError):
        if on_unfinished is not None:
            on_unfinished()
    finally:
        reader.close()
