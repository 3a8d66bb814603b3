"""Starts logging, metrics and alarms of a process, in its own folder in BODH_HOME."""

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
from telemetry.log_lines import LineFormatter, RelayFormatter, log_uncaught

Process = Literal[
    "postgres", "web", "speech", "voice", "drain", "agent", "job", "jobs", "watch", "database"
]  # fmt: skip

QUIET = ("alembic", "faster_whisper", "httpx", "httpx2", "httpcore", "httpcore2", "openai",
         "livekit", "pgqueuer", "websockets", "multipart", "watchfiles")  # fmt: skip

STARTED = "BODH_TELEMETRY"  # in the environment of child processes

logger = logging.getLogger("bodh.telemetry")
_held: list[IO[str]] = []  # locks; the system frees them however the process ends


def start(process: Process, settings: Settings) -> None:
    """Starts logging, and the metrics and alarms that /metrics collects. Call it once.

    If the folder cannot be created, the process only logs.
    """
    start_logging(process)
    os.environ[STARTED] = process
    try:
        folder = create_own_folder(metrics_dir(settings), process)
    except OSError as error:
        logger.error(
            "metrics and alarms are off: their folder cannot be created",
            extra={"kind": type(error).__name__},
        )
        return
    metrics.keep_metrics_in(folder)
    alarms.keep_alarms_in(folder)


def start_job(settings: Settings) -> None:
    """`start` for a job process. Does nothing if its worker did not call `start`."""
    if STARTED in os.environ:
        start("job", settings)


def start_logging(process: Process) -> None:
    """JSON lines on stderr, or readable ones on a terminal. Replaces the handlers of libraries."""
    sys.excepthook = log_uncaught
    threading.excepthook = lambda args: log_uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )
    root = logging.getLogger()
    if process == "job":
        for handler in root.handlers:
            handler.setFormatter(RelayFormatter())
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(process, readable=sys.stderr.isatty()))
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def metrics_dir(settings: Settings) -> Path:
    return settings.run_dir / "metrics"


def create_own_folder(base: Path, process: str) -> Path:
    """Creates a folder. A lock that containers see too shows that the process is alive."""
    base.parent.mkdir(parents=True, exist_ok=True, mode=0o711)  # postgres runs as another user
    base.mkdir(exist_ok=True, mode=0o700)
    name = f"{process}-{os.getpid()}-{secrets.token_hex(4)}"
    # outside the folder, because LiveKit's worker empties the folder when it starts
    draft = base / f"{name}.new"
    lock = draft.open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft.rename(base / f"{name}.lock")  # so it is never visible unlocked
    _held.append(lock)
    folder = base / name
    folder.mkdir()
    return folder
