"""The stack of tests: one that does not end fails the test that ran it."""

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
    """What runs in place of the whole of Bodh: it is ready at once and never ends."""
    monkeypatch.setattr(stack, "UP", (sys.executable, "-c", DEAF))
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(stack, "STOP_S", 0.2)


def test_a_stack_that_does_not_end_fails_the_test_and_leaves_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the stack did not end"), stack.running_stack():
        pass
    assert (tmp_path / "build" / stack.LOG).read_text() == "ready: http://127.0.0.1\n"


def test_a_failed_test_says_its_own_reason() -> None:
    with pytest.raises(LookupError, match="its own"), stack.running_stack():
        raise LookupError("its own")
