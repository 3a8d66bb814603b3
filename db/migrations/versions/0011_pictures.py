"""Rights for the background job that deletes pictures."""

from pathlib import Path

from db.migrate import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
