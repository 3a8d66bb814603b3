"""The log of who read whose words has an end too."""

from pathlib import Path

from db.migrate import run_script

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
