"""Event logs name people by their LiveKit identity instead of their account."""

from pathlib import Path

from db.migrate import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
