"""The weights that benches use, the same for us and for the baselines."""

from pathlib import Path

from scripts.steps import TOOLS
from speech.models import TEST_MODEL_FOLDER, download_model, is_model


def whisper_folder(name: str) -> Path:
    """`name` is `test`, `base`, `tiny.en` or a folder. Downloads a model that is missing.

    Raises NoModel.
    """
    if name == "test":
        return TEST_MODEL_FOLDER
    if is_model(Path(name)):
        return Path(name)
    folder = TOOLS / "models" / name
    if not is_model(folder):
        download_model(name, folder)
    return folder
