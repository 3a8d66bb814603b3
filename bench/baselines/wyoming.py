"""A client of the Wyoming protocol: one utterance, one transcript."""

import asyncio
import json
import time
from typing import Any

from bench.baselines.transcriber import Heard
from speech.wire import RATE

FORMAT = {"rate": RATE, "width": 2, "channels": 1}
CHUNK_BYTES = 2 * RATE // 10


async def ask_wyoming(port: int, pcm: bytes) -> Heard:
    """Sends the sound at once: the server begins to decode when it ends. Raises OSError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        write_event(writer, "transcribe", {"language": "en"})
        write_event(writer, "audio-start", FORMAT)
        for at in range(0, len(pcm), CHUNK_BYTES):
            write_event(writer, "audio-chunk", FORMAT, pcm[at : at + CHUNK_BYTES])
        await writer.drain()
        ended = time.monotonic()
        write_event(writer, "audio-stop", {})
        await writer.drain()
        while (event := await read_event(reader))["type"] != "transcript":
            pass
        return Heard(event["data"]["text"].strip(), time.monotonic() - ended)
    finally:
        writer.close()


def write_event(
    writer: asyncio.StreamWriter, kind: str, data: dict[str, Any], payload: bytes = b""
) -> None:
    header = {"type": kind, "data": data} | ({"payload_length": len(payload)} if payload else {})
    writer.write(json.dumps(header).encode() + b"\n" + payload)


async def read_event(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Raises EOFError where the connection ends."""
    line = await reader.readline()
    if not line:
        raise EOFError
    event: dict[str, Any] = json.loads(line)
    more = await reader.readexactly(event.get("data_length", 0) or 0)
    event["data"] = (event.get("data") or {}) | (json.loads(more) if more else {})
    await reader.readexactly(event.get("payload_length", 0) or 0)
    return event
