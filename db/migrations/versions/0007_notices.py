"""Alarms of the hosts, for the operator."""

from pathlib import Path

from db.migrate import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
