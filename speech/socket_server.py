"""A server of requests, until SIGTERM: its socket or port, connections, cancelling, the end."""

import asyncio
import contextlib
import hmac
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from settings import TcpAddress
from speech.addresses import Address, accepts_connections, check_is_private
from speech.wire import Header, WireError, encode_frame, read_frame

Reply = Callable[[Header, bytes], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# Answers one request (header, PCM) by one or several replies. Cancelled if the client gives it up.
Answer = Callable[[Header, bytes, Reply], Awaitable[None]]

SECRET_TIMEOUT_S = 5.0  # a client sends it as soon as it is connected

logger = logging.getLogger("bodh.speech")


class AlreadyServed(Exception):
    """Another process listens at this address."""


class ClientConnection:
    """One client. Its requests run concurrently and end when it disconnects."""

    def __init__(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        self._answer = answer
        self._writer = writer
        self._requests: dict[object, asyncio.Task[None]] = {}  # by their ids

    async def serve(self, reader: asyncio.StreamReader, secret: str) -> None:
        """Answers nothing before a frame with the secret, unless it is empty."""
        try:
            if secret:
                await check_secret(reader, secret)
            while True:
                header, pcm = await read_frame(reader)
                if header.get("kind") == "cancel":
                    self._cancel_request(header.get("id"))
                else:
                    self._begin_request(header, pcm)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except WireError:
            logger.warning("a client sent a wrong frame, or not the secret")
        finally:
            for task in tuple(self._requests.values()):
                task.cancel()
            self._writer.close()

    def _begin_request(self, header: Header, pcm: bytes) -> None:
        number = header.get("id")
        if not isinstance(number, int) or number in self._requests:
            raise WireError("a request without an id of its own")
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


async def check_secret(reader: asyncio.StreamReader, secret: str) -> None:
    """Raises WireError for a wrong one, or if none comes in time."""
    try:
        async with asyncio.timeout(SECRET_TIMEOUT_S):
            header, _ = await read_frame(reader)
    except TimeoutError as error:
        raise WireError("no secret in time") from error
    if not hmac.compare_digest(str(header.get("secret", "")).encode(), secret.encode()):
        raise WireError("not the secret")


async def serve_requests(
    address: Address, answer: Answer, *, ready: Callable[[], None], secret: str = ""
) -> None:
    """Serves until SIGTERM or SIGINT. Calls `ready` once it answers; removes the socket.

    `secret` is for a port. Raises AlreadyServed, NotPrivate.
    """
    open_connections: set[asyncio.Task[None]] = set()

    async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            open_connections.add(task)
            task.add_done_callback(open_connections.discard)
        with contextlib.suppress(asyncio.CancelledError):  # only the end below cancels it
            await ClientConnection(answer, writer).serve(reader, secret)

    server = await listen(address, serve_client)
    ready()
    await wait_for_stop_signal()
    server.close()
    for task in tuple(open_connections):
        task.cancel()
    await asyncio.gather(*open_connections, return_exceptions=True)
    if isinstance(address, Path):
        await asyncio.to_thread(address.unlink, missing_ok=True)


async def listen(address: Address, serve: Serve) -> asyncio.Server:
    """Raises AlreadyServed, NotPrivate."""
    if isinstance(address, TcpAddress):
        return await listen_on_port(address, serve)
    server = await asyncio.start_unix_server(serve, address)
    await asyncio.to_thread(address.chmod, 0o600)
    return server


async def listen_on_port(address: TcpAddress, serve: Serve) -> asyncio.Server:
    found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
    hosts = sorted({str(sockaddr[0]) for *_, sockaddr in found})
    for host in hosts:
        check_is_private(host)
    try:
        return await asyncio.start_server(serve, hosts, address.port)
    except OSError as error:
        raise AlreadyServed(f"cannot listen at port {address.port}: {error}") from error


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
    if accepts_connections(address):
        raise AlreadyServed(f"another process already serves {address}")
    address.unlink(missing_ok=True)
