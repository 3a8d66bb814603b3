"""A conversation with a pipecat bot: the time from the last word to the bot's first sound."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from bench.baselines.install import PIPECAT, ensure_installed
from bench.baselines.transcriber import LOG, OFFLINE, START_S, CannotRun, running_baseline
from harness.learner import LOUD_LEVEL
from harness.stack import free_port
from speech.wire import RATE

BOT = Path(__file__).with_name("pipecat_bot.py")
FRAME_S = 0.02
FRAME_BYTES = int(2 * RATE * FRAME_S)
ANSWER_S = 20.0
QUIET_S = 1.0  # of silence, after which the bot has said its answer


@dataclass
class PipecatBot:
    """A connection whose microphone always sends speech or silence."""

    socket: ClientConnection
    loud_at: list[float] = field(default_factory=list)  # monotonic times of its voice
    _speech: bytes = b""
    _said: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, pcm: bytes) -> float:
        """Speaks in real time. The seconds from its end to the first sound of the answer.

        Returns once the answer is over. A sound before the end of the question makes the result
        negative: the bot has cut in. Raises TimeoutError if there is no answer.
        """
        began = time.monotonic()
        self._said.clear()
        self._speech = pcm
        async with asyncio.timeout(len(pcm) / (2 * RATE) + ANSWER_S):
            await self._said.wait()
        ended = time.monotonic()
        async with asyncio.timeout(ANSWER_S):
            while not (loud := [at for at in self.loud_at if at > began]):  # noqa: ASYNC110 at most 20 s
                await asyncio.sleep(0.01)
        while time.monotonic() - self.loud_at[-1] < QUIET_S:  # noqa: ASYNC110 it is a time
            await asyncio.sleep(0.1)
        return loud[0] - ended

    async def send_microphone(self) -> None:
        due = time.monotonic()
        while True:
            frame, self._speech = self._speech[:FRAME_BYTES], self._speech[FRAME_BYTES:]
            await self.socket.send(frame.ljust(FRAME_BYTES, b"\0"))
            if not self._speech:
                self._said.set()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def listen(self) -> None:
        async for message in self.socket:
            if isinstance(message, str):
                continue
            samples = np.frombuffer(message, np.int16).astype(np.float32)
            if len(samples) and float(np.sqrt(np.mean(samples**2))) > LOUD_LEVEL:
                self.loud_at.append(time.monotonic())


@asynccontextmanager
async def running_pipecat(
    whisper_folder: Path, piper_voice: Path, llm_url: str
) -> AsyncIterator[PipecatBot]:
    """Raises NotInstalled or CannotRun."""
    python = await asyncio.to_thread(ensure_installed, PIPECAT)
    port = free_port()
    # -P: or Python would import this file as `pipecat`, because it is next to the bot
    command = [
        str(python), "-P", str(BOT), str(port), str(whisper_folder), str(piper_voice), llm_url,
    ]  # fmt: skip
    async with (
        running_baseline(command, os.environ | OFFLINE) as process,
        await _connect_when_ready(process, port) as socket,
    ):
        bot = PipecatBot(socket)
        tasks = [asyncio.create_task(work) for work in (bot.send_microphone(), bot.listen())]
        try:
            yield bot
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _connect_when_ready(process: "subprocess.Popen[bytes]", port: int) -> ClientConnection:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            return await connect(f"ws://127.0.0.1:{port}")
        await asyncio.sleep(0.2)
    raise CannotRun(f"the pipecat bot did not start: see build/bench/{LOG.name}")
