"""People whom a teacher removed from a session, or muted in it."""

from pathlib import Path

from db.migrate import run_script

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
