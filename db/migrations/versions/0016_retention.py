"""What is kept has an end."""

from pathlib import Path

from db.migrate import run_script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
