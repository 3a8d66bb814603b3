"""The voice behind a Unix socket: texts in, sound out while it is made.

A request of kind `say` has `text`, `pace` (a factor of normal speed), `lead_s` (seconds of sound
its listener still has) and `timeout_s`. It is answered by frames with sound and `chars`, the
characters said when the sound ends, then by one with `end`; or by one with `error` and `message`.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import prompts
from courses.sentences import split_sentences
from speech.socket_server import Reply, prepare_socket_path, serve_requests
from speech.voice.models import PiperModel
from speech.voice.queue import ComputationQueue
from speech.voice.speaker import Speaker
from speech.voice.synthesiser import Synthesiser
from speech.voice.wire import MAX_REQUESTS, SayRequest, VoiceHealth
from speech.wire import Failure, Header
from telemetry import metrics

FIXED_LINES = ("one_moment", "not_heard", "provider_failed", "goodbye", "slower", "faster")

logger = logging.getLogger("bodh.voice")


class VoiceRequests:
    def __init__(self, speaker: Speaker, model: PiperModel) -> None:
        self._speaker = speaker
        self._model = model
        self._running = 0

    async def answer(self, header: Header, _pcm: bytes, reply: Reply) -> None:
        if header.get("kind") == "health":
            health = VoiceHealth(self._model.name, os.getpid(), self._running)
            await reply(asdict(health), b"")
            return
        try:
            request = SayRequest.from_json(header)
        except (KeyError, TypeError, ValueError) as error:
            await reply(failure("bad_request", str(error)), b"")
            return
        if self._running >= MAX_REQUESTS:
            await reply(failure("busy", "too many texts are being spoken"), b"")
            return
        self._running += 1
        try:
            await self._say(request, reply)
        finally:
            self._running -= 1

    async def _say(self, request: SayRequest, reply: Reply) -> None:
        began = time.perf_counter()
        begun = False
        try:
            async with asyncio.timeout(request.timeout_s):
                async for spoken in self._speaker.speak(
                    request.text, pace=request.pace, lead_s=request.lead_s
                ):
                    if not begun and not request.lead_s:
                        metrics.VOICE_FIRST_SECONDS.observe(time.perf_counter() - began)
                    begun = True
                    await reply({"chars": spoken.chars}, spoken.pcm)
        except TimeoutError:
            await reply(failure("timeout", f"not spoken within {request.timeout_s:.1f} s"), b"")
        except ConnectionError:
            raise
        except Exception:  # whatever the model raises, only this request fails
            logger.exception("synthesis failed", extra={"chars": len(request.text)})
            await reply(failure("failed", "synthesis failed"), b"")
        else:
            await reply({"end": True}, b"")


def failure(error: Failure, message: str) -> Header:
    return {"error": error, "message": message}


async def serve_voice(
    model: PiperModel, address: Path, *, threads: int, ready: Callable[[], None]
) -> None:
    """Serves until SIGTERM or SIGINT. Calls `ready` once it answers.

    Raises AlreadyServed, or PermissionError if the socket's folder belongs to another user.
    """
    await asyncio.to_thread(prepare_socket_path, address)
    synthesiser = await asyncio.to_thread(Synthesiser, model.path)
    await asyncio.to_thread(synthesiser.warm_up)
    queue = ComputationQueue(threads)
    speaker = Speaker(synthesiser, queue)
    preparing = asyncio.create_task(prepare_fixed_lines(speaker), name="fixed lines")
    await serve_requests(address, VoiceRequests(speaker, model).answer, ready=ready)
    preparing.cancel()
    await asyncio.gather(preparing, return_exceptions=True)
    await asyncio.to_thread(queue.close)


async def prepare_fixed_lines(speaker: Speaker) -> None:
    """Only while nobody is waiting for other sound."""
    for name in FIXED_LINES:
        for sentence in split_sentences(prompts.render(name)):
            await speaker.prepare(sentence.strip())
