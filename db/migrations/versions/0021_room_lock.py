"""A lock on a room that needs no transaction."""

from pathlib import Path

from db.migrate import run_script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
