"""The stack of the tests: one that does not stop fails its test."""

import sys
from pathlib import Path

import pytest

from harness import stack

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready: http://127.0.0.1", flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces Bodh with a process that is ready at once and ignores SIGTERM."""
    monkeypatch.setattr(stack, "UP_COMMAND", (sys.executable, "-c", DEAF))
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(stack, "STOP_S", 0.2)


def test_stack_that_does_not_stop_fails_the_test_and_leaves_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the stack did not end"), stack.running_stack():
        pass
    assert (tmp_path / "build" / stack.LOG_NAME).read_text() == "ready: http://127.0.0.1\n"


def test_failed_test_keeps_its_own_error() -> None:
    with pytest.raises(LookupError, match="its own"), stack.running_stack():
        raise LookupError("its own")
