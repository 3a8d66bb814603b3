"""The engine behind a Unix socket: finals in order of arrival, interims only when it is idle."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from speech.engine import DecodeOptions, Engine, TooLong
from speech.models import ModelChoice
from speech.wire import Failure, Header, Health, Recognition, WireError, encode_frame, read_frame

logger = logging.getLogger("bodh.speech")

DEFAULT_TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 30.0


class AlreadyServed(Exception):
    pass


class RecognitionQueue:
    """Shares the engine between rooms.

    Refuses an interim while anything is decoded or waiting, and after an interim for as long as
    that one took. So interims use half a core at most, and a final waits for at most one of them.
    """

    def __init__(self, engine: Engine, *, threads: int) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._turns = asyncio.Semaphore(threads)  # wakes in order of arrival
        self._active = 0
        self._next_interim = 0.0

    @property
    def unfinished(self) -> int:
        return self._active

    def takes_interim(self) -> bool:
        return self._active == 0 and time.monotonic() >= self._next_interim

    async def recognise(self, pcm: bytes, options: DecodeOptions, *, final: bool) -> Recognition:
        """Raises TooLong, and whatever the model raises."""
        self._active += 1
        try:
            async with self._turns:
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._pool, self._engine.recognise, pcm, options)
        finally:
            self._active -= 1
        if not final:
            self._next_interim = time.monotonic() + found.decode_s
        return found

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class ClientConnection:
    """One client. Its requests run concurrently and end when it disconnects."""

    def __init__(
        self, queue: RecognitionQueue, choice: ModelChoice, writer: asyncio.StreamWriter
    ) -> None:
        self._queue = queue
        self._choice = choice
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
        task = asyncio.create_task(self._send_answer(header, pcm))
        self._requests[number] = task
        task.add_done_callback(lambda _: self._requests.pop(number, None))

    def _cancel_request(self, number: object) -> None:
        task = self._requests.get(number)
        if task is not None:
            task.cancel()

    async def _send_answer(self, header: Header, pcm: bytes) -> None:
        reply = {"id": header.get("id")} | await self._answer_request(header, pcm)
        with contextlib.suppress(ConnectionError):
            self._writer.write(encode_frame(reply))
            await self._writer.drain()

    async def _answer_request(self, header: Header, pcm: bytes) -> Header:
        if header.get("kind") == "health":
            return self._answer_health()
        try:
            final = header["kind"] == "final"
            if not final and header["kind"] != "interim":
                return failure_header("bad_request", "kind is final, interim or health")
            options = read_decode_options(header)
            patience_s = min(float(header.get("timeout_s", DEFAULT_TIMEOUT_S)), MAX_TIMEOUT_S)
        except (KeyError, TypeError, ValueError) as error:
            return failure_header("bad_request", str(error))
        if not final and not self._queue.takes_interim():
            return failure_header("busy", "decoding other requests")
        return await self._answer_recognition(pcm, options, final=final, patience_s=patience_s)

    async def _answer_recognition(
        self, pcm: bytes, options: DecodeOptions, *, final: bool, patience_s: float
    ) -> Header:
        try:
            async with asyncio.timeout(patience_s):
                found = await self._queue.recognise(pcm, options, final=final)
        except TimeoutError:
            return failure_header("timeout", f"not decoded within {patience_s:.1f} s")
        except TooLong as error:
            return failure_header("bad_request", str(error))
        except Exception:  # whatever the model raises, only this request fails
            logger.exception("decoding failed", extra={"pcm_bytes": len(pcm)})
            return failure_header("failed", "decoding failed")
        return found.to_json()

    def _answer_health(self) -> Header:
        choice = self._choice
        return asdict(Health(choice.model, choice.test_model, os.getpid(), self._queue.unfinished))


def read_decode_options(header: Header) -> DecodeOptions:
    """Raises TypeError or ValueError."""
    hotwords = tuple(header.get("hotwords", ()))
    if not all(isinstance(word, str) for word in hotwords):
        raise ValueError("hotwords are strings")
    return DecodeOptions(header.get("language"), bool(header.get("words")), hotwords)


def failure_header(error: Failure, message: str) -> Header:
    return {"error": error, "message": message}


async def serve_engine(
    choice: ModelChoice, address: Path, *, threads: int, ready: Callable[[], None]
) -> None:
    """Serves until SIGTERM or SIGINT. Calls `ready` once it answers.

    Raises AlreadyServed, or PermissionError if the socket's folder belongs to another user.
    """
    await asyncio.to_thread(prepare_socket_path, address)
    engine = await asyncio.to_thread(
        Engine, Path(choice.path), threads=threads, whole_windows=choice.test_model
    )
    await asyncio.to_thread(engine.warm_up)
    queue = RecognitionQueue(engine, threads=threads)
    open_connections: set[asyncio.Task[None]] = set()

    async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            open_connections.add(task)
            task.add_done_callback(open_connections.discard)
        with contextlib.suppress(asyncio.CancelledError):  # only the end below cancels it
            await ClientConnection(queue, choice, writer).serve(reader)

    server = await asyncio.start_unix_server(serve_client, address)
    await asyncio.to_thread(address.chmod, 0o600)
    ready()
    await wait_for_stop_signal()
    server.close()
    for task in tuple(open_connections):
        task.cancel()
    await asyncio.gather(*open_connections, return_exceptions=True)
    await asyncio.to_thread(queue.close)
    await asyncio.to_thread(address.unlink, missing_ok=True)


async def wait_for_stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def prepare_socket_path(address: Path) -> None:
    """Creates the folder (0700) and removes the socket of an engine that has died."""
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
    raise AlreadyServed(f"another speech engine answers at {address}")
