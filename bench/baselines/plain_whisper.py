"""faster-whisper with its defaults. Imports little: the plain worker is measured with it."""

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel


def load_whisper(folder: str) -> WhisperModel:
    """The weights are quantised as ours are; threads are the library's own."""
    return WhisperModel(folder, device="cpu", compute_type="int8")


def transcribe(model: WhisperModel | BatchedInferencePipeline, pcm: np.ndarray) -> str:
    """The English text of mono int16 samples at 16 kHz; beam and windows are the library's own."""
    segments, _ = model.transcribe(pcm.astype(np.float32) / 32_768, language="en")
    return " ".join(segment.text.strip() for segment in segments)
