"""Something that turns an utterance into text, in a process of its own."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.cpu import cpu_s
from harness.stack import ROOT
from speech.wire import RATE

LOG = ROOT / "build" / "bench" / "baselines.log"
OFFLINE = {"HF_HUB_OFFLINE": "1"}  # environment: the weights are local
START_S = 120.0


@dataclass(frozen=True)
class Heard:
    """`seconds` are from the end of the sound to the text."""

    text: str
    seconds: float


class Transcriber(Protocol):
    @property
    def streams(self) -> bool:
        """Whether `transcribe` sends the sound in real time, and so takes at least that long."""

    async def transcribe(self, pcm: bytes) -> Heard:
        """Takes int16 mono PCM at 16 kHz. May be called again before it returns."""

    def cpu_s(self) -> float:
        """CPU seconds used so far."""


class CannotRun(Exception):
    """The baseline cannot run on this machine. The message is one line."""


@dataclass(frozen=True)
class ServerProcess:
    """A server under test, and how to ask it."""

    process: "subprocess.Popen[bytes]"
    ask: Callable[[bytes], Awaitable[Heard]]
    streams: bool = False

    async def transcribe(self, pcm: bytes) -> Heard:
        return await self.ask(pcm)

    def cpu_s(self) -> float:
        return sum(cpu_s([self.process.pid]).values())


@contextlib.asynccontextmanager
async def running_baseline(
    command: Sequence[str], environment: dict[str, str]
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A process that writes to LOG. Kills it at the end of the block."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 returns at once
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


@contextlib.asynccontextmanager
async def running_server(
    command: Sequence[str],
    ask: Callable[[bytes], Awaitable[Heard]],
    environment: dict[str, str],
    *,
    streams: bool = False,
) -> AsyncIterator[ServerProcess]:
    """Starts it and yields once it has answered a second of silence. Raises CannotRun."""
    async with running_baseline(command, environment) as process:
        await _wait_until_it_answers(process, ask)
        yield ServerProcess(process, ask, streams)


async def _wait_until_it_answers(
    process: "subprocess.Popen[bytes]", ask: Callable[[bytes], Awaitable[Heard]]
) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            async with asyncio.timeout(START_S):
                await ask(bytes(2 * RATE))
            return
        except (OSError, EOFError, TimeoutError) as error:
            if process.poll() is not None:
                raise CannotRun(
                    f"it ended with status {process.returncode}: see build/bench/{LOG.name}"
                ) from error
            if time.monotonic() > deadline:
                raise CannotRun(f"no answer within {START_S:.0f} s") from error
        await asyncio.sleep(0.2)
