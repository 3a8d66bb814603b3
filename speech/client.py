"""The client of the speech engine. Imports neither the model nor LiveKit."""

import asyncio
import logging
import secrets
from dataclasses import fields
from pathlib import Path
from typing import Literal

from settings import Settings
from speech.addresses import Address, NotPrivate, connect
from speech.request_connection import ConnectionLost, ConnectionOnDemand, RequestConnection
from speech.wire import Header, Health, Recognition, encode_frame

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


def client_for(settings: Settings) -> "SpeechClient":
    """Close it with `aclose`."""
    return SpeechClient(
        settings.speech_engine_address, secret=settings.speech_secret.get_secret_value()
    )


class SpeechClient:
    """Connects to the engine on demand, and again after a restart."""

    def __init__(self, address: Address, *, secret: str = "") -> None:
        """`secret` is for an engine of another host."""
        self._address = address
        self._secret = secret
        self._name = secrets.token_hex(8)  # other clients may have utterances of the same name
        self._connections = ConnectionOnDemand(self._connect)

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
        request in the engine.

        Raises SpeechTimeout (SpeechOverloaded if too much waits), SpeechBusy (interims only) or
        SpeechError.
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
        await self._connections.aclose()

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
                connection = await self._connections.get()
                return await connection.ask_once(header, pcm)
            except (ConnectionLost, OSError) as error:
                if not again:
                    raise SpeechTimeout("no speech engine answers") from error
                await asyncio.sleep(RETRY_S)
            except NotPrivate as error:
                raise SpeechError(str(error)) from error

    async def _connect(self) -> RequestConnection:
        streams = await connect(self._address)
        if self._secret and not isinstance(self._address, Path):
            streams[1].write(encode_frame({"secret": self._secret}))
        return RequestConnection(streams)
