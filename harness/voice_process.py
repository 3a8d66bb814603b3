"""A voice process with the default Piper voice, without a Bodh around it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit.agents import tts

from harness.stack import ROOT
from scripts.steps import TOOLS
from speech.voice.models import PiperModel, read_model

FOLDER = TOOLS / "models" / "en_US-joe-medium"
READY_S = 90.0  # takes 3 s on an idle machine


def default_voice() -> PiperModel:
    assert FOLDER.exists(), "run `.venv/bin/python -m scripts.setup tests` to download the voice"
    return read_model(FOLDER, str(FOLDER))


@dataclass
class VoiceProcess:
    """`python -m speech.voice` in a home folder of its own."""

    home: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> Path:
        return self.home / "run" / "voice.sock"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Returns when the voice answers."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "speech.voice",
            cwd=ROOT,
            env=os.environ | {"BODH_HOME": str(self.home), "VOICE_MODEL": str(FOLDER)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_S):
            while b"voice ready" not in (line := await self.process.stdout.readline()):
                assert line, "the voice process ended before it was ready"

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(20):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def running_voice(home: Path) -> AsyncIterator[VoiceProcess]:
    """A voice process that is stopped at the end of the block."""
    voice = VoiceProcess(home)
    await voice.start()
    try:
        yield voice
    finally:
        await voice.end()


async def pcm_of(voice: tts.TTS[Any], text: str) -> bytes:
    frame = await voice.synthesize(text).collect()
    return bytes(frame.data.cast("B"))
