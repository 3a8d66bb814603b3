"""`python -m agent console --text`: one line in, one line out, nothing else needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def converse(typed: str, home: Path) -> tuple[int, list[str]]:
    """Exit status and the lines of standard output."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("LLM_", "OPENAI_", "LIVEKIT_", "DATABASE_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "agent", "console", "--text"],
        input=typed,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment | {"BODH_HOME": str(home)},
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.timeout(120)
def test_pipe_gets_the_greeting_and_one_line_per_input_line(tmp_path: Path) -> None:
    status, lines = converse("what is gradient descent\n\nquiz me\nnext lesson", tmp_path)
    assert (status, len(lines)) == (0, 5)
    assert [line[:6] for line in lines] == ["Bodh: "] * 5
    assert "lesson 1, What is machine learning?" in lines[0]
    assert lines[1].startswith("Bodh: Lesson four, passage two: Gradient descent is a method")
    assert lines[4] == "Bodh: Now we are in lesson 2, Data, features and vectors."


@pytest.mark.timeout(120)
def test_no_input_ends_after_the_greeting(tmp_path: Path) -> None:
    status, lines = converse("", tmp_path)
    assert (status, len(lines)) == (0, 1)
