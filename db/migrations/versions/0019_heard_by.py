"""Shows a segment only to those who were present for a second when it ended."""

from pathlib import Path

from db.migrate import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
