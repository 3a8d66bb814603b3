"""The client of the speech engine. Imports neither the model nor LiveKit."""

import asyncio
import itertools
import logging
import secrets
from dataclasses import fields
from pathlib import Path
from typing import Literal

from settings import Settings
from speech.addresses import Address, NotPrivate, connect
from speech.wire import Header, Health, Recognition, WireError, encode_frame, read_frame

logger = logging.getLogger("bodh.speech")

RETRY_S = 0.2  # a restarted engine answers within a second or two
HEALTH_TIMEOUT_S = 2.0


class SpeechError(Exception):
    pass


class SpeechTimeout(SpeechError):
    """No answer in time, or no engine is running."""


class SpeechBusy(SpeechError):
    """An interim was refused because the engine is busy. Later ones may be accepted."""


class SpeechOverloaded(SpeechTimeout):
    """A final was refused because it could not be decoded in time. No decode was begun."""


class ConnectionLost(Exception):
    """The connection was lost before an answer; the request can be sent again."""


def client_for(settings: Settings) -> "SpeechClient":
    """Close it with `aclose`."""
    return SpeechClient(
        settings.speech_engine_address, secret=settings.speech_secret.get_secret_value()
    )


class EngineConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Header]] = {}
        self._listener = asyncio.create_task(self._read_answers(reader), name="speech answers")

    @property
    def is_lost(self) -> bool:
        return self._listener.done()

    async def send_request(self, header: Header, pcm: bytes) -> Header:
        """Sends a cancel frame if the caller is cancelled. Raises ConnectionLost."""
        number = next(self._ids)
        answer: asyncio.Future[Header] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            if self.is_lost:
                raise ConnectionLost
            self._writer.write(encode_frame({"id": number} | header, pcm))
            await self._writer.drain()
            return await answer
        except asyncio.CancelledError:
            if not self.is_lost:
                self._writer.write(encode_frame({"kind": "cancel", "id": number}))
            raise
        except ConnectionError as error:
            raise ConnectionLost from error
        finally:
            self._waiting.pop(number, None)

    async def _read_answers(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header, _ = await read_frame(reader)
                answer = self._waiting.get(header.get("id", 0))
                if answer is not None and not answer.done():
                    answer.set_result(header)
        except (asyncio.IncompleteReadError, ConnectionError, WireError):
            pass
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionLost())

    async def aclose(self) -> None:
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)


class SpeechClient:
    """Connects to the engine on demand, and again after a restart."""

    def __init__(self, address: Address, *, secret: str = "") -> None:
        """`secret` is for an engine of another host."""
        self._address = address
        self._secret = secret
        self._name = secrets.token_hex(8)  # other clients may have utterances of the same name
        self._connection: EngineConnection | None = None
        self._connecting = asyncio.Lock()

    async def recognise(
        self,
        pcm: bytes,
        *,
        kind: Literal["final", "interim"] = "final",
        language: str | None = "en",
        words: bool = False,
        hotwords: tuple[str, ...] = (),
        utterance: str = "",
        timeout_s: float = 10.0,
    ) -> Recognition:
        """The text of int16 mono PCM at 16 kHz, at most 29.5 s.

        Pass the same `utterance` for sound that begins in the same way: for its interims and its
        final. Sound of it that is already recognised is not decoded again.

        Sends a final again if the engine restarts in time. Cancelling the call also cancels the
        request in the engine. Raises SpeechTimeout (SpeechOverloaded if
        too much waits), SpeechBusy (interims only) or SpeechError.
        """
        header: Header = {
            "kind": kind,
            "language": language,
            "words": words,
            "hotwords": hotwords,
            "utterance": f"{self._name}-{utterance}" if utterance else "",
            "timeout_s": timeout_s,
        }
        answer = await self._ask_engine(header, pcm, timeout_s=timeout_s, again=kind == "final")
        try:
            return Recognition.from_json(answer)
        except (KeyError, TypeError) as error:
            raise SpeechError("the engine's answer is not a recognition") from error

    async def health(self) -> Health:
        """The state of the engine. Raises SpeechError: SpeechTimeout if none answers within 2 s."""
        answer = await self._ask_engine(
            {"kind": "health"}, b"", timeout_s=HEALTH_TIMEOUT_S, again=True
        )
        return Health(**{one.name: answer[one.name] for one in fields(Health)})

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _ask_engine(
        self, header: Header, pcm: bytes, *, timeout_s: float, again: bool
    ) -> Header:
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._ask_until_answered(header, pcm, again=again)
        except TimeoutError as error:
            raise SpeechTimeout(f"no answer within {timeout_s:.1f} s") from error
        match answer.get("error"):
            case None:
                return answer
            case "timeout":
                raise SpeechTimeout(answer.get("message", ""))
            case "overloaded":
                raise SpeechOverloaded(answer.get("message", ""))
            case "busy":
                raise SpeechBusy(answer.get("message", ""))
            case _:
                raise SpeechError(answer.get("message", ""))

    async def _ask_until_answered(self, header: Header, pcm: bytes, *, again: bool) -> Header:
        while True:
            try:
                connection = await self._ensure_connection()
                return await connection.send_request(header, pcm)
            except (ConnectionLost, OSError) as error:
                if not again:
                    raise SpeechTimeout("no speech engine answers") from error
                await asyncio.sleep(RETRY_S)
            except NotPrivate as error:
                raise SpeechError(str(error)) from error

    async def _ensure_connection(self) -> EngineConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_lost:
                reader, writer = await connect(self._address)
                if self._secret and not isinstance(self._address, Path):
                    writer.write(encode_frame({"secret": self._secret}))
                self._connection = EngineConnection(reader, writer)
            return self._connection
