"""A server of requests behind a Unix socket, until SIGTERM: connections, cancelling, the end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from speech.wire import Header, WireError, encode_frame, read_frame

Reply = Callable[[Header, bytes], Awaitable[None]]
# Answers one request (header, PCM) by one or several replies. Cancelled if the client gives it up.
Answer = Callable[[Header, bytes, Reply], Awaitable[None]]

logger = logging.getLogger("bodh.speech")


class AlreadyServed(Exception):
    pass


class ClientConnection:
    """One client. Its requests run concurrently and end when it disconnects."""

    def __init__(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        self._answer = answer
        self._writer = writer
        self._requests: dict[object, asyncio.Task[None]] = {}  # by their ids

    async def serve(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header, pcm = await read_frame(reader)
                if header.get("kind") == "cancel":
                    self._cancel_request(header.get("id"))
                else:
                    self._begin_request(header, pcm)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except WireError:
            logger.warning("a client sent something that is not a frame")
        finally:
            for task in tuple(self._requests.values()):
                task.cancel()
            self._writer.close()

    def _begin_request(self, header: Header, pcm: bytes) -> None:
        number = header.get("id")
        if not isinstance(number, int):
            raise WireError("a request without an id")
        task = asyncio.create_task(self._answer_request(number, header, pcm))
        self._requests[number] = task
        task.add_done_callback(lambda _: self._requests.pop(number, None))

    def _cancel_request(self, number: object) -> None:
        task = self._requests.get(number)
        if task is not None:
            task.cancel()

    async def _answer_request(self, number: int, header: Header, pcm: bytes) -> None:
        async def reply(answer: Header, sound: bytes) -> None:
            self._writer.write(encode_frame({"id": number} | answer, sound))
            await self._writer.drain()

        with contextlib.suppress(ConnectionError):
            await self._answer(header, pcm, reply)


async def serve_requests(address: Path, answer: Answer, *, ready: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT. Calls `ready` once it answers; removes the socket."""
    open_connections: set[asyncio.Task[None]] = set()

    async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            open_connections.add(task)
            task.add_done_callback(open_connections.discard)
        with contextlib.suppress(asyncio.CancelledError):  # only the end below cancels it
            await ClientConnection(answer, writer).serve(reader)

    server = await asyncio.start_unix_server(serve_client, address)
    await asyncio.to_thread(address.chmod, 0o600)
    ready()
    await wait_for_stop_signal()
    server.close()
    for task in tuple(open_connections):
        task.cancel()
    await asyncio.gather(*open_connections, return_exceptions=True)
    await asyncio.to_thread(address.unlink, missing_ok=True)


async def wait_for_stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def prepare_socket_path(address: Path) -> None:
    """Creates the folder (0700) and removes the socket of a process that has died.

    Raises AlreadyServed, or PermissionError if the folder belongs to another user.
    """
    address.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if address.parent.stat().st_uid not in (os.getuid(), 0):
        raise PermissionError(f"{address.parent} belongs to another user")
    if not address.exists():
        return
    with socket.socket(socket.AF_UNIX) as knock:
        try:
            knock.connect(str(address))
        except OSError:
            address.unlink(missing_ok=True)
            return
    raise AlreadyServed(f"another process already serves {address}")
