"""Every read of another person's words is recorded."""

from pathlib import Path

from db.migrate import run_script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
