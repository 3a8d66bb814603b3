"""The other end of `speech.socket_server`: requests and their answers, on one connection."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable

from speech.addresses import Streams
from speech.wire import Header, WireError, encode_frame, read_frame

Answer = tuple[Header, bytes]


class ConnectionLost(Exception):
    """The connection was lost before the last answer; the request can be sent again."""


class RequestConnection:
    """Requests run concurrently. Close it with `aclose`."""

    def __init__(
        self, streams: Streams, *, is_last: Callable[[Header], bool] = lambda _answer: True
    ) -> None:
        """`is_last`: whether no other answer to the same request follows this one."""
        reader, self._writer = streams
        self._is_last = is_last
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Queue[Answer | None]] = {}  # None: the connection is lost
        self._listener = asyncio.create_task(self._read_answers(reader), name="answers")

    @property
    def is_lost(self) -> bool:
        return self._listener.done()

    async def ask(self, header: Header, pcm: bytes = b"") -> AsyncGenerator[Answer, None]:
        """Yields the answers. Leaving the loop early, or a cancel, cancels the request.

        Raises ConnectionLost.
        """
        number = next(self._ids)
        answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._answers[number] = answers
        finished = False
        try:
            if self.is_lost:
                raise ConnectionLost
            self._writer.write(encode_frame({"id": number} | header, pcm))
            await self._writer.drain()
            while not finished:
                answer = await answers.get()
                if answer is None:
                    raise ConnectionLost
                finished = self._is_last(answer[0])
                yield answer
        except ConnectionError as error:
            raise ConnectionLost from error
        finally:
            del self._answers[number]
            if not finished and not self.is_lost:
                with contextlib.suppress(ConnectionError):
                    self._writer.write(encode_frame({"kind": "cancel", "id": number}))

    async def ask_once(self, header: Header, pcm: bytes = b"") -> Header:
        """The first answer. Raises ConnectionLost."""
        async with contextlib.aclosing(self.ask(header, pcm)) as answers:
            answer, _ = await anext(answers)
            return answer

    async def _read_answers(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header, pcm = await read_frame(reader)
                if answers := self._answers.get(header.get("id", 0)):
                    answers.put_nowait((header, pcm))
        except (asyncio.IncompleteReadError, ConnectionError, WireError):
            pass
        finally:
            self._writer.close()
            for answers in self._answers.values():
                answers.put_nowait(None)

    async def aclose(self) -> None:
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)


class ConnectionOnDemand:
    """Connects at the first request, and again after the connection was lost."""

    def __init__(self, connect: Callable[[], Awaitable[RequestConnection]]) -> None:
        self._connect = connect
        self._connection: RequestConnection | None = None
        self._connecting = asyncio.Lock()

    async def get(self) -> RequestConnection:
        """Raises what `connect` raises."""
        async with self._connecting:
            if self._connection is None or self._connection.is_lost:
                self._connection = await self._connect()
            return self._connection

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()
