"""A process: starts its log lines and its figures. Owns its folder in BODH_HOME."""

import fcntl
import logging
import os
import secrets
import sys
import threading
from pathlib import Path
from typing import IO, Literal

from settings import Settings
from telemetry import alarms, metrics
from telemetry.lines import Line, Relay, log_uncaught

Process = Literal["postgres", "web", "speech", "drain", "agent", "job", "jobs", "database"]

QUIET = ("alembic", "faster_whisper", "httpx", "httpx2", "httpcore", "httpcore2", "openai",
         "livekit", "websockets", "multipart", "watchfiles")  # fmt: skip

_held: list[IO[str]] = []  # locks; the system frees them when the process ends in any way


def start(process: Process, settings: Settings) -> None:
    """JSON log lines on stderr, uncaught errors as lines, and figures that /metrics collects.

    Call it once, before `livekit.agents` is imported: `prometheus_client` decides then how it
    counts. In a job process, which LiveKit forks, the records go to the worker as before.
    """
    folder = own_folder(metrics_dir(settings), process)
    metrics.begin(folder)
    alarms.begin(folder)
    take_over_logging(process)
    sys.excepthook = log_uncaught
    threading.excepthook = lambda args: log_uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def take_over_logging(process: Process) -> None:
    """Replaces what a library set up: every line is ours from now on."""
    root = logging.getLogger()
    if process == "job":
        for handler in root.handlers:
            handler.setFormatter(Relay())
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line(process, readable=sys.stderr.isatty()))
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def metrics_dir(settings: Settings) -> Path:
    """Where every process of a BODH_HOME has its folder of figures."""
    return settings.run_dir / "metrics"


def own_folder(base: Path, process: str) -> Path:
    """A new folder, alive as long as its lock file is locked; also told across containers."""
    base.mkdir(parents=True, exist_ok=True, mode=0o711)
    name = f"{process}-{os.getpid()}-{secrets.token_hex(4)}"
    # the lock stands beside it: LiveKit's worker empties the folder when it starts
    lock = (base / f"{name}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _held.append(lock)
    folder = base / name
    folder.mkdir()
    return folder
