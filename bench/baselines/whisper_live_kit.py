"""A client of WhisperLiveKit: streams an utterance as it is spoken, then waits for the rest."""

import asyncio
import json
import time
from collections.abc import AsyncIterable
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.baselines.transcriber import Heard
from speech.wire import RATE

CHUNK_S = 0.1
CHUNK_BYTES = int(2 * RATE * CHUNK_S)


async def ask_whisper_live_kit(port: int, pcm: bytes) -> Heard:
    """Takes as long as the sound does. Raises OSError, or EOFError if the server gives up."""
    async with connect(f"ws://127.0.0.1:{port}/asr") as socket:
        reading = asyncio.create_task(read_text(socket))
        try:
            due = time.monotonic()
            for at in range(0, len(pcm), CHUNK_BYTES):
                await socket.send(pcm[at : at + CHUNK_BYTES])
                due += CHUNK_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            ended = time.monotonic()
            await socket.send(b"")
            return Heard(await reading, time.monotonic() - ended)
        except ConnectionClosed as error:
            raise EOFError from error
        finally:
            reading.cancel()


async def read_text(socket: AsyncIterable[Any]) -> str:
    """The text at the end of the stream. Raises EOFError if the server closes it before."""
    text = ""
    async for message in socket:
        update = json.loads(message)
        if update.get("type") == "ready_to_stop":
            return text
        lines = [line["text"] for line in update.get("lines", [])]
        parts = [*lines, update.get("buffer_transcription", "")]
        text = " ".join(part.strip() for part in parts if part.strip()) or text
    raise EOFError
