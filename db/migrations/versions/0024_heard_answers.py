"""Shows learners everything that the tutor said to them, and whom it spoke to."""

from pathlib import Path

from db.migrate import run_script

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
