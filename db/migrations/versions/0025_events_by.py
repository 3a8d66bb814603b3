"""An index of the events by who caused them."""

from pathlib import Path

from db.migrate import run_script

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
