"""Texts of faster-whisper with its defaults: beam 5, whole windows, earlier text as context.

They take seconds each and never change, so they are kept in build/bench by what they depend on.
"""

import hashlib
import json
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from faster_whisper import WhisperModel

from bench.baselines.plain_whisper import load_whisper, transcribe
from bench.spoken import Pcm
from harness.stack import ROOT

CACHE = ROOT / "build" / "bench" / "faster-whisper"


class FasterWhisperTexts:
    """The same weights and precision as ours, and the language given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def transcribe(self, pcm: Pcm) -> str:
        """The text of mono samples at 16 kHz."""
        key = hashlib.sha256(f"{self._model_key}{version('faster-whisper')}".encode())
        key.update(pcm.tobytes())
        path = CACHE / f"{key.hexdigest()[:24]}.json"
        if path.exists():
            return str(json.loads(path.read_text())["text"])
        text = transcribe(self._model, pcm)
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"text": text}))
        draft.replace(path)
        return text

    @cached_property
    def _model(self) -> WhisperModel:
        return load_whisper(str(self._folder))

    @cached_property
    def _model_key(self) -> str:
        with (self._folder / "model.bin").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
