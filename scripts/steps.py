"""Set-up steps: run once, again when their inputs change, with progress for the long ones.

Standard library only: this runs before anything is installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
STAMPS = TOOLS / "stamps"
LOGS = TOOLS / "log"
PROGRESS_S = 10.0

NETWORK_WORDS = (
    "name resolution", "could not resolve host", "no such host", "connection refused", "dial tcp",
    "network is unreachable", "timed out", "enotfound", "eai_again", "econnrefused", "etimedout",
    "newconnectionerror", "proxyerror", "connection broken", "max retries", "econnreset",
    "from versions: none",
)  # fmt: skip


class SetupError(Exception):
    pass


@dataclass(frozen=True)
class Step:
    """Runs again when its inputs change or its product is missing."""

    name: str
    what: str
    product: Path
    inputs: str  # fingerprint
    disk_mb: int
    run: Callable[[], None]

    @property
    def stamp_file(self) -> Path:
        return STAMPS / self.name

    @property
    def is_done(self) -> bool:
        if not (self.product.exists() and self.stamp_file.exists()):
            return False
        return self.stamp_file.read_text() == self.inputs


def run_steps(steps: Sequence[Step]) -> None:
    todo = [step for step in steps if not step.is_done]
    if not todo:
        return
    check_disk_space(sum(step.disk_mb for step in todo), shutil.disk_usage(ROOT).free)
    STAMPS.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(todo, 1):
        print_progress(f"set-up {number}/{len(todo)}: {step.what}")
        began = time.monotonic()
        step.run()
        step.stamp_file.write_text(step.inputs)
        print_progress(f"set-up {number}/{len(todo)}: done in {time.monotonic() - began:.0f} s")


def check_disk_space(needed_mb: int, free_bytes: int) -> None:
    free_mb = free_bytes // 1_000_000
    if free_mb < needed_mb:
        raise SetupError(
            f"Not enough disk space: set-up needs {needed_mb} MB in {ROOT}, {free_mb} MB are free. "
            f"Free {needed_mb - free_mb} MB and run the same command again."
        )


def run_logged(
    name: str,
    command: Sequence[str | Path],
    *,
    env: dict[str, str] | None = None,
    cwd: Path = ROOT,
) -> None:
    """Runs a long command; its output goes to a log, progress to the console.

    Raises SetupError with a hint if it fails.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    began = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd, env=(env or os.environ) | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        while True:
            try:
                status = process.wait(PROGRESS_S)
                break
            except subprocess.TimeoutExpired:
                print_progress(f"  {time.monotonic() - began:4.0f} s  {last_log_line(log)}")
    except BaseException:  # on Ctrl-C, stop the command too
        process.terminate()
        process.wait()
        raise
    if status:
        raise SetupError(explain_failure(name, log))


def last_log_line(log: Path) -> str:
    lines = log.read_text(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip()[:80] for line in reversed(lines) if line.strip()), "still running")


def explain_failure(name: str, log: Path) -> str:
    text = log.read_text(errors="replace")
    where = f"See {log.relative_to(ROOT)}."
    if "no space left" in text.lower():
        return f"Disk full while installing {name}. Free some space and run it again. {where}"
    if any(word in text.lower() for word in NETWORK_WORDS):
        return (
            f"No network while installing {name}. The first set-up needs it. "
            f"Connect and run the same command again. {where}"
        )
    errors = [line.strip()[:200] for line in text.splitlines() if "error" in line.lower()]
    return f"{name} failed: {errors[0] if errors else last_log_line(log)}. {where}"


def fingerprint_files(paths: Iterable[Path], *extra: str) -> str:
    digest = hashlib.sha256("\0".join(extra).encode())
    for path in sorted(paths):
        digest.update(f"\0{path}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def print_progress(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
