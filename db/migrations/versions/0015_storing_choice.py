"""Which choice about storing words each room's agent has read."""

from pathlib import Path

from db.migrate import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
