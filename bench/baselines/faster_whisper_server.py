"""Serves faster-whisper on a Unix socket: its defaults, or its batched pipeline.

Run as `python -m bench.baselines.faster_whisper_server SOCKET FOLDER defaults|batched`. A request
is a frame of PCM (speech/wire.py), the answer one with the text.
"""

import asyncio
import sys
from collections.abc import Callable

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from speech.wire import encode_frame, read_frame


def load_pipeline(folder: str, kind: str) -> Callable[[bytes], str]:
    """The weights are quantised as ours are; beam, threads and windows are the library's own."""
    model = WhisperModel(folder, device="cpu", compute_type="int8")
    pipeline = BatchedInferencePipeline(model) if kind == "batched" else model

    def transcribe(pcm: bytes) -> str:
        samples = np.frombuffer(pcm, np.int16).astype(np.float32) / 32_768
        segments, _ = pipeline.transcribe(samples, language="en")
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe


async def serve(path: str, transcribe: Callable[[bytes], str]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, pcm = await read_frame(reader)
        writer.write(encode_frame({"text": await asyncio.to_thread(transcribe, pcm)}))
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, path) as server:
        await server.serve_forever()


if __name__ == "__main__":
    socket_path, model_folder, kind_of_pipeline = sys.argv[1:]
    asyncio.run(serve(socket_path, load_pipeline(model_folder, kind_of_pipeline)))
