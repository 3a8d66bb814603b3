"""The engine behind a socket: requests and their answers."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from settings import Settings
from speech.engine import DecodeOptions, Engine, TooLong
from speech.known_utterances import UtteranceRecogniser
from speech.models import ModelChoice
from speech.queue import EngineBusy, Overloaded, RecognitionQueue
from speech.socket_server import Reply, prepare_socket_path, serve_requests
from speech.wire import Failure, Header, Health, Recognition

logger = logging.getLogger("bodh.speech")

DEFAULT_TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 30.0


class EngineRequests:
    def __init__(self, queue: RecognitionQueue, choice: ModelChoice) -> None:
        self._queue = queue
        self._utterances = UtteranceRecogniser(queue)
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
            timeout_s = min(float(header.get("timeout_s", DEFAULT_TIMEOUT_S)), MAX_TIMEOUT_S)
        except (KeyError, TypeError, ValueError) as error:
            return failure_header("bad_request", str(error))
        ask = partial(
            self._utterances.recognise,
            pcm,
            options,
            final=final,
            timeout_s=timeout_s,
            name=str(header.get("utterance", "")),
        )
        return await answer_recognition(ask, timeout_s)

    def _answer_health(self) -> Header:
        choice, queue = self._choice, self._queue
        return asdict(
            Health(
                choice.model,
                choice.test_model,
                os.getpid(),
                waiting=queue.unfinished,
                decode_s=queue.decode_s,
                refused=queue.refused,
                thrown_away=queue.thrown_away,
            )
        )


async def answer_recognition(ask: Callable[[], Awaitable[Recognition]], timeout_s: float) -> Header:
    try:
        found = await ask()
    except TimeoutError:
        return failure_header("timeout", f"not decoded within {timeout_s:.1f} s")
    except EngineBusy as error:
        return failure_header("busy", str(error))
    except Overloaded as error:
        return failure_header("overloaded", str(error))
    except TooLong as error:
        return failure_header("bad_request", str(error))
    except Exception:  # whatever the model raises, only this request fails
        logger.exception("decoding failed")
        return failure_header("failed", "decoding failed")
    return found.to_json()


def read_decode_options(header: Header) -> DecodeOptions:
    """Raises TypeError or ValueError."""
    hotwords = tuple(header.get("hotwords", ()))
    if not all(isinstance(word, str) for word in hotwords):
        raise ValueError("hotwords are strings")
    return DecodeOptions(header.get("language"), bool(header.get("words")), hotwords)


def failure_header(error: Failure, message: str) -> Header:
    return {"error": error, "message": message}


async def serve_engine(
    settings: Settings, choice: ModelChoice, *, ready: Callable[[], None]
) -> None:
    """Serves until SIGTERM or SIGINT. Calls `ready` once it answers.

    Raises AlreadyServed, NotPrivate, or PermissionError for a folder of another user.
    """
    address = settings.speech_engine_address
    if isinstance(address, Path):
        await asyncio.to_thread(prepare_socket_path, address)
    engine = await asyncio.to_thread(
        Engine,
        Path(choice.path),
        workers=settings.whisper_threads + 1,
        whole_windows=choice.test_model,
        device=settings.whisper_device,
        compute_type=settings.speech_compute_type,
    )
    await asyncio.to_thread(engine.warm_up)
    queue = RecognitionQueue(engine, lanes=settings.whisper_threads)
    secret = "" if isinstance(address, Path) else settings.speech_secret.get_secret_value()
    answer = EngineRequests(queue, choice).answer
    await serve_requests(address, answer, ready=ready, secret=secret)
    await asyncio.to_thread(queue.close)
