"""Rights for the watcher to apply webhooks, and a view of who heard each segment."""

from pathlib import Path

from db.migrate import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
