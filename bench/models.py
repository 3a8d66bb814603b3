"""The weights that benches use, the same for us and for what we are compared with."""

from pathlib import Path

from scripts.steps import TOOLS
from speech.models import TEST_MODEL_FOLDER, download_model, is_model

WHISPER_NAMES = ("base", "tiny.en", "test")


def whisper_folder(name: str) -> Path:
    """Downloads it if it is missing. Raises NoModel."""
    if name == "test":
        return TEST_MODEL_FOLDER
    folder = TOOLS / "models" / name
    if not is_model(folder):
        download_model(name, folder)
    return folder
