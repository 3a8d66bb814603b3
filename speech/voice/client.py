"""The client of the voice process. Imports neither the model nor LiveKit."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from speech.voice.wire import SayRequest, VoiceHealth
from speech.wire import Header, WireError, encode_frame, read_frame

HEALTH_TIMEOUT_S = 2.0
Answer = tuple[Header, bytes]
LOST: Answer = ({"error": "lost", "message": "the connection to the voice process was lost"}, b"")


class VoiceProcessError(Exception):
    """The voice process is not running, refused a text, or failed over it."""


@dataclass(frozen=True)
class Sound:
    """PCM (int16 mono), and how many characters of the text are said when it ends."""

    pcm: bytes
    chars: int


class VoiceConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ids = itertools.count(1)
        self._queues: dict[int, asyncio.Queue[Answer]] = {}
        self._listener = asyncio.create_task(self._read_answers(reader), name="voice answers")

    @property
    def is_lost(self) -> bool:
        return self._listener.done()

    async def ask(self, header: Header) -> AsyncGenerator[Answer, None]:
        """Yields answers up to the one that ends or fails; leaving the loop cancels the rest."""
        number = next(self._ids)
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._queues[number] = answers
        finished = False
        try:
            if self.is_lost:
                raise VoiceProcessError(LOST[0]["message"])
            self._writer.write(encode_frame({"id": number} | header))
            while not finished:
                answer = await answers.get()
                finished = "chars" not in answer[0]
                yield answer
        finally:
            del self._queues[number]
            if not finished and not self.is_lost:
                with contextlib.suppress(ConnectionError):
                    self._writer.write(encode_frame({"kind": "cancel", "id": number}))

    async def _read_answers(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header, pcm = await read_frame(reader)
                if answers := self._queues.get(header.get("id", 0)):
                    answers.put_nowait((header, pcm))
        except (asyncio.IncompleteReadError, ConnectionError, WireError):
            pass
        finally:
            self._writer.close()
            for answers in self._queues.values():
                answers.put_nowait(LOST)

    async def aclose(self) -> None:
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)


class VoiceClient:
    """Connects to the voice's Unix socket on demand, and again after a restart."""

    def __init__(self, address: Path) -> None:
        self._address = address
        self._connection: VoiceConnection | None = None
        self._connecting = asyncio.Lock()

    async def say(self, request: SayRequest) -> AsyncGenerator[Sound, None]:
        """Yields the sound of a text while it is made; leaving the loop cancels the rest.

        Raises VoiceProcessError, at once if no voice process is running.
        """
        connection = await self._ensure_connection()
        async with contextlib.aclosing(connection.ask(request.to_json())) as answers:
            async for header, pcm in answers:
                if "error" in header:
                    raise VoiceProcessError(header.get("message", ""))
                if pcm:
                    yield Sound(pcm, header["chars"])

    async def health(self) -> VoiceHealth:
        """The state of the voice. Raises VoiceProcessError if none answers within 2 s."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                connection = await self._ensure_connection()
                async with contextlib.aclosing(connection.ask({"kind": "health"})) as answers:
                    header, _ = await anext(answers)
            return VoiceHealth(header["model"], header["pid"], header["speaking"])
        except (TimeoutError, KeyError) as error:
            raise VoiceProcessError("the voice process does not answer") from error

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _ensure_connection(self) -> VoiceConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_lost:
                try:
                    opened = await asyncio.open_unix_connection(self._address)
                except OSError as error:
                    raise VoiceProcessError("no voice process is running") from error
                self._connection = VoiceConnection(*opened)
            return self._connection
