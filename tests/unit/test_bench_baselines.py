"""The clients of what Bodh is compared with read what those servers send."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bench.baselines.whisper_live_kit import read_text
from bench.baselines.wyoming import ask_wyoming, read_event


async def messages(*sent: dict[str, Any]) -> AsyncIterator[str]:
    for one in sent:
        yield json.dumps(one)


async def test_text_of_a_stream_is_the_last_one_before_its_end() -> None:
    stream = messages(
        {"type": "config"},
        {"lines": [], "buffer_transcription": "what is"},
        {"lines": [{"text": "What is a"}], "buffer_transcription": " gradient?"},
        {"lines": [], "buffer_transcription": ""},
        {"type": "ready_to_stop"},
    )
    assert await read_text(stream) == "What is a gradient?"


async def test_stream_that_ends_early_has_no_text() -> None:
    with pytest.raises(EOFError):
        await read_text(messages({"lines": [{"text": "What"}], "buffer_transcription": ""}))


async def test_wyoming_server_gets_the_sound_and_its_transcript_is_read() -> None:
    """The server is ours here: it answers as the protocol says, with the text behind the header."""
    heard: list[dict[str, Any]] = []

    async def transcribe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not heard or heard[-1]["type"] != "audio-stop":
            heard.append(await read_event(reader))
        text = json.dumps({"text": " What is a gradient? "}).encode()
        header = {"type": "transcript", "data_length": len(text)}
        writer.write(json.dumps(header).encode() + b"\n" + text)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(transcribe, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await ask_wyoming(port, bytes(4000))
    assert answer.text == "What is a gradient?"
    kinds = ["transcribe", "audio-start", "audio-chunk", "audio-chunk", "audio-stop"]
    assert [event["type"] for event in heard] == kinds
    assert [event.get("payload_length") for event in heard[2:4]] == [3200, 800]
    assert heard[1]["data"] == {"rate": 16_000, "width": 2, "channels": 1}
