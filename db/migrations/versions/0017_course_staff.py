"""Courses can have staff, who alone see what its learners say."""

from pathlib import Path

from db.migrate import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
