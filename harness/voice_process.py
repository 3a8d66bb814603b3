"""A voice process with the default Piper voice, without a Bodh around it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from livekit.agents import tts

from harness.python_process import PythonProcess
from scripts.steps import TOOLS
from speech.voice.models import PiperModel, read_model

FOLDER = TOOLS / "models" / "en_US-joe-medium"
READY_S = 90.0  # takes 3 s on an idle machine


def default_voice() -> PiperModel:
    assert FOLDER.exists(), "run `.venv/bin/python -m scripts.setup tests` to download the voice"
    return read_model(FOLDER, str(FOLDER))


class VoiceProcess(PythonProcess):
    """`python -m speech.voice` in a home folder of its own."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            home,
            "speech.voice",
            "voice ready",
            {"VOICE_MODEL": str(FOLDER)},
            start_s=READY_S,
            end_s=20.0,
        )

    @property
    def address(self) -> Path:
        return self.home / "run" / "voice.sock"


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
