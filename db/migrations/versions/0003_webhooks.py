"""Webhooks of the media server, the LiveKit rooms of a session, who reported a departure."""

from pathlib import Path

from db.migrate import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
