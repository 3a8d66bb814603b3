"""Installs packages to compare with, each in its own environment under `.tools/baselines`."""

import subprocess
import sys
import venv
from pathlib import Path

from scripts.steps import TOOLS

WYOMING, WHISPER_LIVE_KIT, PIPECAT = "wyoming-faster-whisper", "whisper-live-kit", "pipecat"
PACKAGES = {
    WYOMING: "wyoming-faster-whisper==3.8.1",
    WHISPER_LIVE_KIT: "whisperlivekit==0.2.26",
    PIPECAT: "pipecat-ai[whisper,piper]==1.14.0",
}
FOLDER = TOOLS / "baselines"
LIMIT_S = 900.0  # of one installation


class NotInstalled(Exception):
    """A package could not be installed. The message is one line."""


def install_all() -> None:
    """Installs all of them before the first figure, so that no figure waits."""
    for name in PACKAGES:
        try:
            ensure_installed(name)
        except NotInstalled as error:
            print(error, file=sys.stderr, flush=True)


def ensure_installed(name: str) -> Path:
    """The Python of an environment with this package. Raises NotInstalled."""
    folder, package = FOLDER / name, PACKAGES[name]
    python, stamp = folder / "bin" / "python", folder / "package.txt"
    if not stamp.exists() or stamp.read_text() != package:
        print(f"installing {package}", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        _install(python, package)
        stamp.write_text(package)
    return python


def _install(python: Path, package: str) -> None:
    command = [
        str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-input", "--prefer-binary", package,
    ]  # fmt: skip
    try:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE,
            text=True, check=True, timeout=LIMIT_S,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["pip failed"]
        raise NotInstalled(f"{package} could not be installed: {lines[-1][:200]}") from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{package} was not installed in {LIMIT_S:.0f} s") from error
