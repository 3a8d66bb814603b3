"""The engine behind a Unix socket: finals in order of arrival, interims only when it is idle."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from speech.engine import DecodeOptions, Engine, TooLong
from speech.models import ModelChoice
from speech.socket_server import Reply, prepare_socket_path, serve_requests
from speech.wire import Failure, Header, Health, Recognition

logger = logging.getLogger("bodh.speech")

DEFAULT_TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 30.0


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


class EngineRequests:
    def __init__(self, queue: RecognitionQueue, choice: ModelChoice) -> None:
        self._queue = queue
        self._choice = choice

    async def answer(self, header: Header, pcm: bytes, reply: Reply) -> None:
        await reply(await self._answer_request(header, pcm), b"")

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
    await serve_requests(address, EngineRequests(queue, choice).answer, ready=ready)
    await asyncio.to_thread(queue.close)
