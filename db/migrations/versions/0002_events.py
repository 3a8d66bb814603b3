"""The event log of sessions: append-only, gapless, chained by hashes."""

from pathlib import Path

from db.migrate import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
