"""The client of the voice process. Imports neither the model nor LiveKit."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from speech.addresses import connect
from speech.request_connection import ConnectionLost, ConnectionOnDemand, RequestConnection
from speech.voice.wire import SayRequest, Spoken, VoiceHealth

HEALTH_TIMEOUT_S = 2.0


class VoiceProcessError(Exception):
    """The voice process is not running, refused a text, or failed over it."""


class VoiceClient:
    """Connects to the voice's Unix socket on demand, and again after a restart."""

    def __init__(self, address: Path) -> None:
        self._address = address
        self._connections = ConnectionOnDemand(self._connect)

    async def say(self, request: SayRequest) -> AsyncGenerator[Spoken, None]:
        """Yields the sound of a text while it is made; leaving the loop cancels the rest.

        Raises VoiceProcessError, at once if no voice process is running.
        """
        connection = await self._connections.get()
        try:
            async with contextlib.aclosing(connection.ask(request.to_json())) as answers:
                async for header, pcm in answers:
                    if "error" in header:
                        raise VoiceProcessError(header.get("message", ""))
                    if pcm:
                        yield Spoken(pcm, header["chars"])
        except ConnectionLost as error:
            raise VoiceProcessError("the connection to the voice process was lost") from error

    async def health(self) -> VoiceHealth:
        """The state of the voice. Raises VoiceProcessError if none answers within 2 s."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                connection = await self._connections.get()
                header = await connection.ask_once({"kind": "health"})
            return VoiceHealth(header["model"], header["pid"], header["speaking"])
        except (TimeoutError, ConnectionLost, KeyError) as error:
            raise VoiceProcessError("the voice process does not answer") from error

    async def aclose(self) -> None:
        await self._connections.aclose()

    async def _connect(self) -> RequestConnection:
        try:
            streams = await connect(self._address)
        except OSError as error:
            raise VoiceProcessError("no voice process is running") from error
        return RequestConnection(streams, is_last=lambda answer: "chars" not in answer)
