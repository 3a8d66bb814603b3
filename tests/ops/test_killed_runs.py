"""A run of tests or of a benchmark that is killed leaves no process and no folder behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from harness import run_folder
from harness.stack import ROOT
from scripts.processes import wait_until

STARTED_S = 60.0
GONE_S = 10.0
# the run gets its own folder in /tmp: inside this run's, paths of sockets would be too long
OUTSIDE = {
    name: value
    for name, value in os.environ.items()
    if name not in (run_folder.RUN_VARIABLE, "TMPDIR")
}


@contextmanager
def started(what: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Starts a run and waits for its processes. Yields the run and its folder."""
    command = [sys.executable, "-m", "tests.ops.killed_run", what]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=OUTSIDE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        try:
            yield process, folder
        finally:
            process.kill()


def names(folder: Path) -> str:
    """The command lines of a run's processes."""
    return "\n".join(
        " ".join(psutil.Process(pid).cmdline()) for pid in run_folder.processes_of_run(folder)
    )


@pytest.mark.timeout(180)
def test_a_killed_run_leaves_nothing_behind() -> None:
    with started("all") as (process, folder):
        running = names(folder)
        for name in ("scripts.up", "agent start", "livekit-server", "postgres -D", "espeak_helper",
                     "chrom", "playwright"):  # fmt: skip
            assert name in running
        process.kill()
        assert wait_until(lambda: not run_folder.processes_of_run(folder), GONE_S), names(folder)
        assert wait_until(lambda: not folder.exists(), GONE_S)


def test_next_run_cleans_up_after_a_run_whose_guard_was_also_killed() -> None:
    with started("one") as (process, folder):
        guards = [one for one in psutil.Process(process.pid).children() if "-I" in one.cmdline()]
        assert len(guards) == 1
        guards[0].kill()
        process.kill()
        process.wait()
        assert "sleep 600" in names(folder)
        in_memory = run_folder.MEMORY / folder.name
        assert in_memory.is_dir()

        def gone_after_another_run() -> bool:
            script = "from harness import run_folder; run_folder.begin_run()"
            subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=OUTSIDE, check=True)
            return not run_folder.processes_of_run(folder) and not folder.exists()

        assert wait_until(gone_after_another_run, GONE_S)
        assert not in_memory.exists()


@pytest.mark.slow
def test_a_killed_benchmark_leaves_nothing_behind() -> None:
    """It is killed once it has begun to start a whole Bodh."""
    command = [sys.executable, "-m", "bench", "lesson"]
    with subprocess.Popen(command, cwd=ROOT, env=OUTSIDE) as process:

        def folders_of_stacks() -> list[Path]:
            found = []
            for one in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "scripts.up" in one.cmdline():
                        found.append(Path(one.environ()[run_folder.RUN_VARIABLE]))
            return found

        assert wait_until(lambda: bool(folders_of_stacks()), STARTED_S)
        (folder,) = folders_of_stacks()
        process.kill()
        assert wait_until(lambda: not run_folder.processes_of_run(folder), GONE_S), names(folder)
        assert wait_until(lambda: not folder.exists(), GONE_S)
