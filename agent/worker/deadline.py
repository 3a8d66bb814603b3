"""By when the jobs of a worker that drains must be gone: a file, for they are processes."""

import os
import secrets
from pathlib import Path

from settings import Settings

NAME = "BODH_DRAIN_FILE"  # in the environment of a worker and its jobs


def name_file(settings: Settings) -> None:
    """Chooses the file of this worker; its jobs inherit the name."""
    os.environ.setdefault(
        NAME, str(settings.run_dir / f"drain.{os.getpid()}.{secrets.token_hex(4)}")
    )
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    forget_deadline()


def write_deadline(at: float) -> None:
    """Tells the jobs of this worker by when (epoch seconds) they must be gone."""
    path = Path(os.environ[NAME])
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(str(at))
    draft.replace(path)


def read_deadline() -> float | None:
    """What `write_deadline` of this job's worker wrote, or None while it does not drain."""
    try:
        return float(Path(os.environ[NAME]).read_text())
    except FileNotFoundError:
        return None


def forget_deadline() -> None:
    """Removes the file of `write_deadline`."""
    Path(os.environ[NAME]).unlink(missing_ok=True)
