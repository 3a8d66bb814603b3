"""What people agreed to, and each tenant's rules for rooms and guardians."""

from pathlib import Path

from db.migrate import run_script

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
