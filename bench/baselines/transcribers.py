"""Every recogniser that Bodh's is compared with, on the same weights, each in its own process."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from bench.baselines.install import WHISPER_LIVE_KIT, WYOMING, NotInstalled, ensure_installed
from bench.baselines.transcriber import OFFLINE, CannotRun, Heard, Transcriber, running_server
from bench.baselines.whisper_live_kit import ask_whisper_live_kit
from bench.baselines.wyoming import ask_wyoming
from bench.registry import FASTER_WHISPER
from bench.result import Failed
from harness.stack import free_port
from speech.wire import encode_frame, read_frame

BATCHED = "faster-whisper-batched"
Start = Callable[[Path], AbstractAsyncContextManager[Transcriber]]


@asynccontextmanager
async def running_transcribers(
    folder: Path, names: Sequence[str] = ()
) -> AsyncIterator[dict[str, Transcriber | Failed]]:
    """Starts the named ones, or all, with a folder's weights. `Failed` says why one cannot run."""
    found: dict[str, Transcriber | Failed] = {}
    async with AsyncExitStack() as running:
        for name in names or STARTS:
            try:
                found[name] = await running.enter_async_context(STARTS[name](folder))
            except (NotInstalled, CannotRun) as error:
                found[name] = Failed(str(error))
        yield found


@asynccontextmanager
async def running_faster_whisper(folder: Path, *, kind: str) -> AsyncIterator[Transcriber]:
    with tempfile.TemporaryDirectory(prefix="fw-") as place:
        socket = f"{place}/socket"
        command = (
            sys.executable, "-m", "bench.baselines.faster_whisper_server",
            socket, str(folder), kind,
        )  # fmt: skip
        ask = partial(ask_faster_whisper, socket)
        async with running_server(command, ask, os.environ | OFFLINE) as server:
            yield server


async def ask_faster_whisper(socket: str, pcm: bytes) -> Heard:
    began = time.monotonic()
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(encode_frame({}, pcm))
        await writer.drain()
        header, _ = await read_frame(reader)
    finally:
        writer.close()
    return Heard(header["text"], time.monotonic() - began)


@asynccontextmanager
async def running_wyoming(folder: Path) -> AsyncIterator[Transcriber]:
    python = await asyncio.to_thread(ensure_installed, WYOMING)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wyoming-") as data:
        command = (
            str(python), "-m", "wyoming_faster_whisper", "--uri", f"tcp://127.0.0.1:{port}",
            "--model", str(folder), "--data-dir", data, "--stt-library", "faster-whisper",
            "--language", "en", "--compute-type", "int8", "--local-files-only",
        )  # fmt: skip
        async with running_server(command, partial(ask_wyoming, port), os.environ | OFFLINE) as one:
            yield one


@asynccontextmanager
async def running_whisper_live_kit(folder: Path) -> AsyncIterator[Transcriber]:
    """With its LocalAgreement policy: the other one needs weights in another format."""
    python = await asyncio.to_thread(ensure_installed, WHISPER_LIVE_KIT)
    port = free_port()
    command = (
        str(python), "-m", "whisperlivekit.basic_server", "--host", "127.0.0.1",
        "--port", str(port), "--model_dir", str(folder), "--language", "en",
        "--backend", "faster-whisper", "--backend-policy", "localagreement",
        "--pcm-input", "--warmup-file", "", "--log-level", "WARNING",
    )  # fmt: skip
    ask = partial(ask_whisper_live_kit, port)
    async with running_server(command, ask, os.environ | OFFLINE, streams=True) as server:
        yield server


STARTS: dict[str, Start] = {
    FASTER_WHISPER: partial(running_faster_whisper, kind="defaults"),
    BATCHED: partial(running_faster_whisper, kind="batched"),
    WYOMING: running_wyoming,
    WHISPER_LIVE_KIT: running_whisper_live_kit,
}
