"""Serves faster-whisper on a Unix socket: its defaults, or its batched pipeline.

Run as `python -m bench.baselines.faster_whisper_server SOCKET FOLDER defaults|batched`. A request
is a frame of PCM (speech/wire.py), the answer one with the text.
"""

import asyncio
import sys
from collections.abc import Callable

import numpy as np
from faster_whisper import BatchedInferencePipeline

from bench.baselines.plain_whisper import load_whisper, transcribe
from speech.wire import encode_frame, read_frame


def load_recogniser(folder: str, kind: str) -> Callable[[bytes], str]:
    model = load_whisper(folder)
    pipeline = BatchedInferencePipeline(model) if kind == "batched" else model
    return lambda pcm: transcribe(pipeline, np.frombuffer(pcm, np.int16))


async def serve(path: str, recognise: Callable[[bytes], str]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, pcm = await read_frame(reader)
        writer.write(encode_frame({"text": await asyncio.to_thread(recognise, pcm)}))
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, path) as server:
        await server.serve_forever()


if __name__ == "__main__":
    socket_path, model_folder, kind_of_pipeline = sys.argv[1:]
    asyncio.run(serve(socket_path, load_recogniser(model_folder, kind_of_pipeline)))
