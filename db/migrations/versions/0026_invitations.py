"""The right to delete invited accounts that were merged with another one."""

from pathlib import Path

from db.migrate import run_script

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
