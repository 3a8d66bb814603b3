"""Installs what others publish, each into a virtual environment under `.tools/baselines`."""

import subprocess
import sys
import venv
from pathlib import Path

from scripts.steps import TOOLS

FOLDER = TOOLS / "baselines"
LIMIT_S = 900.0  # of one installation


class NotInstalled(Exception):
    """A package could not be installed. The message is one line."""


def ensure_installed(name: str, *packages: str) -> Path:
    """The Python of an environment with these packages, named as `package==version`.

    Raises NotInstalled.
    """
    folder = FOLDER / name
    python, stamp = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {', '.join(packages)}", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        _install(python, packages)
        stamp.write_text(wanted)
    return python


def _install(python: Path, packages: tuple[str, ...]) -> None:
    command = [
        str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-input", "--prefer-binary", *packages,
    ]  # fmt: skip
    try:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE,
            text=True, check=True, timeout=LIMIT_S,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["pip failed"]
        raise NotInstalled(f"{packages[0]} could not be installed: {lines[-1][:200]}") from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{packages[0]} was not installed in {LIMIT_S:.0f} s") from error
