"""People and sessions can be deleted."""

from pathlib import Path

from db.migrate import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
