"""Tenants, accounts, the course tree, rooms, sessions, transcripts."""

from pathlib import Path

from db.migrate import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
