"""One run of the tests or of a benchmark: its temporary folder, and its clean-up.

A run that is killed cannot clean up. A guard process waits for its end, kills what is left and
removes the folder; the next run does the same if the guard was killed too. Linux only, and only
the standard library: the guard is this file, run as a script.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUN_VARIABLE = "BODH_TEST_RUN"  # in the environment of every process of a run: the run's folder
FOLDER_PREFIX = "bodh-run-"
PROC_FOLDER = Path("/proc")
MEMORY = Path("/dev/shm")  # noqa: S108 only this run's own folder in it is used
MEMORY_MB = 1000  # with less, files that belong in memory are kept on disk
MNT_DETACH = 2
KILL_LIMIT_S = 10.0
NEW_RUN_S = 2.0  # a run that is just beginning has no lock yet

_locked_folders: list[int] = []  # locked folders of this process, open until it ends


def begin_run() -> Path:
    """Creates the folder of this run and starts its guard; inside another run, returns its folder.

    Also cleans up after killed runs on this machine.
    """
    if outer := os.environ.get(RUN_VARIABLE):
        return Path(outer)
    end_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    folder.chmod(0o711)  # where we are root, Postgres runs as another user
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_MB * 1_000_000:
        _memory_of_run(folder).mkdir(mode=0o711)
    _locked_folders.append(os.open(folder, os.O_RDONLY))
    fcntl.flock(_locked_folders[-1], fcntl.LOCK_EX)
    if PROC_FOLDER.exists():
        command = [sys.executable, "-I", __file__, str(folder), str(os.getpid())]
        nowhere = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_RDWR, 0) for handle in range(3)]
        # in its own session, so that Ctrl-C does not reach it
        os.posix_spawn(command[0], command, os.environ, file_actions=nowhere, setsid=True)
    os.environ[RUN_VARIABLE] = str(folder)
    return folder


def use_own_temporary_folder(folder: Path) -> Path:
    """Creates a folder of this process in the run's, for all its temporary files from now on.

    Its path is short, because socket paths are limited to 108 bytes.
    """
    own = folder / f"{os.getpid():x}"
    own.mkdir(mode=0o711)
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
    return own


def make_memory_folder() -> Path:
    """Creates a folder in memory if there is enough, else on disk; it is removed with the run's."""
    memory = _memory_of_run(Path(os.environ[RUN_VARIABLE]))
    made = Path(tempfile.mkdtemp(prefix="m-", dir=memory if memory.is_dir() else None))
    made.chmod(0o711)
    return made


def _memory_of_run(folder: Path) -> Path:
    return MEMORY / folder.name


def end_killed_runs() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not _held_by_anyone(folder):
                end_run(folder)


def end_run(folder: Path) -> None:
    deadline = time.monotonic() + KILL_LIMIT_S
    while (found := processes_of_run(folder)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for mount in _mounts_below(folder):
        ctypes.CDLL(None).umount2(os.fsencode(mount), MNT_DETACH)
    shutil.rmtree(_memory_of_run(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of_run(folder: Path) -> set[int]:
    """Living processes of a run: those with its mark, and their descendants, without this one."""
    parents = {pid: parent for pid, parent, state in _process_table() if state != "Z"}
    mark = f"{RUN_VARIABLE}={folder}".encode()
    found = {pid for pid in parents if mark in _environment_of(pid).split(b"\0")} - {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def end_run_after_process(folder: Path, pid: int) -> None:
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(pid)], [], [])
    end_run(folder)


def _held_by_anyone(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return time.time() - folder.stat().st_ctime < NEW_RUN_S


def _process_table() -> Iterator[tuple[int, int, str]]:
    """Process id, parent's id and state letter of every process."""
    for folder in PROC_FOLDER.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            yield int(folder.name), int(parent), state


def _environment_of(pid: int) -> bytes:
    try:
        return (PROC_FOLDER / str(pid) / "environ").read_bytes()
    except OSError:
        return b""


def _mounts_below(folder: Path) -> list[str]:
    """Mounted file systems below a folder, the inner ones first."""
    if not PROC_FOLDER.exists():
        return []
    points = [
        line.split()[1] for line in (PROC_FOLDER / "self" / "mounts").read_text().splitlines()
    ]
    return sorted((p for p in points if Path(p).is_relative_to(folder)), reverse=True)


if __name__ == "__main__":
    end_run_after_process(Path(sys.argv[1]), int(sys.argv[2]))
