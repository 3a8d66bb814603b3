"""Old notices are deleted."""

from pathlib import Path

from db.migrate import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
