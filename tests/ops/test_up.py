"""`make up` from start to end: it becomes ready, restarts processes, leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from harness.stack import ROOT, Stack, running_stack
from scripts.processes import list_marked_processes, wait_until
from settings import Settings

ENDED_S = 30.0  # alone it takes 3 s; other tests run beside it
PLANTED = dict.fromkeys(("TTS_API_KEY", "LIVEKIT_WEBHOOK_SECRET", "STORAGE_SECRET"), "planted")
OWN_SECRETS = {
    "token_server.py": {"LIVEKIT_WEBHOOK_SECRET", "STORAGE_SECRET"},
    "-m agent start": {"TTS_API_KEY"},
    "-m agent drain": set(),
    "-m watch": set(),
    "-m jobs": {"STORAGE_SECRET"},
    "-m speech": set(),
    "livekit-server": set(),
    "bin/postgres": set(),
}


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="bodh-up-") as folder:
        yield Path(folder) / "home"


def family(stack: Stack) -> list[psutil.Process]:
    """Every process of a stack, by mark and by parent, in case one dropped the mark."""
    found = {
        process.pid: process for process in list_marked_processes(Settings(bodh_home=stack.home))
    }
    for process in [psutil.Process(stack.process.pid), *found.values()]:
        found |= {child.pid: child for child in process.children(recursive=True)}
    return list(found.values())


def alive(processes: list[psutil.Process]) -> list[str]:
    return [str(p) for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(300)
def test_bodh_starts_again_and_leaves_nothing_behind(home: Path) -> None:
    with running_stack(BODH_HOME=str(home)) as stack:
        assert f"ready: {stack.url}" in stack.lines
        processes = family(stack)
        assert_ends(stack, processes)
    with running_stack(BODH_HOME=str(home), **PLANTED) as stack:
        assert_only_needed_secrets(stack)
        assert_restarts(stack, "token_server.py")
        processes = family(stack)
        stack.process.kill()
        stack.process.wait()
        down(stack)
        assert alive(processes) == []


def assert_only_needed_secrets(stack: Stack) -> None:
    for command, needed in OWN_SECRETS.items():
        pids = stack.pids(command)
        assert pids, command
        for pid in pids:
            environment = psutil.Process(pid).environ()
            assert {name for name in PLANTED if name in environment} == needed, command


def assert_ends(stack: Stack, processes: list[psutil.Process]) -> None:
    """Stops by Ctrl-C. All other stacks of the tests are stopped by SIGTERM."""
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(ENDED_S) == 0
    assert alive(processes) == []
    assert list_marked_processes(Settings(bodh_home=stack.home)) == []


def assert_restarts(stack: Stack, command: str) -> None:
    """Kills a process and waits until it was restarted."""
    (old,) = stack.pids(command)
    os.kill(old, signal.SIGKILL)
    assert wait_until(lambda: stack.pids(command) not in ([], [old]), 20.0)


def down(stack: Stack) -> None:
    subprocess.run(
        [sys.executable, "-m", "scripts.down"], cwd=ROOT, env=stack.environment, check=True
    )
