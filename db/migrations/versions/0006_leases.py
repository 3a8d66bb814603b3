"""The lease of a session's agent, and the role of the watcher."""

from pathlib import Path

from db.migrate import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
