"""Sessions of signed-in people, blocked accounts, roles given by an operator."""

from pathlib import Path

from db.migrate import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
