"""Formulas as MathML, made when a course is imported."""

from pathlib import Path

from db.migrate import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
