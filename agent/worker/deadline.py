"""The deadline of a draining worker's jobs: a file, because jobs are processes."""

import os
import secrets
from pathlib import Path

from settings import Settings

FILE_VARIABLE = "BODH_DRAIN_FILE"  # in the environment of a worker and its jobs


def prepare_deadline_file(settings: Settings) -> None:
    os.environ.setdefault(
        FILE_VARIABLE, str(settings.run_dir / f"drain.{os.getpid()}.{secrets.token_hex(4)}")
    )
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    delete_deadline_file()


def write_deadline(at: float) -> None:
    path = Path(os.environ[FILE_VARIABLE])
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(str(at))
    draft.replace(path)


def read_deadline() -> float | None:
    """The epoch time by which this job must end, or None while its worker is not draining."""
    try:
        return float(Path(os.environ[FILE_VARIABLE]).read_text())
    except FileNotFoundError:
        return None


def delete_deadline_file() -> None:
    Path(os.environ[FILE_VARIABLE]).unlink(missing_ok=True)
