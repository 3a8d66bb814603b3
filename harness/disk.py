"""Small disks in memory, for tests to fill."""

import ctypes
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.stack import ROOT

MS_REMOUNT = 32
MNT_DETACH = 2
NAMESPACE_VARIABLE = "BODH_TEST_OWN_NAMESPACE"  # set inside a namespace in which a test may mount

_libc = ctypes.CDLL(None, use_errno=True)


def may_mount() -> bool:
    return os.geteuid() == 0 or NAMESPACE_VARIABLE in os.environ


def run_in_own_namespace(test: str) -> None:
    """Runs a test, given by its node id, again in a process that may mount.

    The process has its own user and mount namespaces. Raises AssertionError if the test fails
    there.
    """
    command = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]
    command += [sys.executable, "-m", "pytest", "-q", test]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, NAMESPACE_VARIABLE: "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (
        "full disks need root or user namespaces (sysctl kernel.unprivileged_userns_clone=1):\n"
        + (done.stdout + done.stderr)[-3000:]
    )


@contextmanager
def mounted_small_disk(path: Path, mb: int) -> Iterator[Path]:
    path.mkdir()
    path.parent.chmod(0o711)  # where we are root, Postgres runs as another user
    done = _libc.mount(b"bodh", os.fsencode(path), b"tmpfs", 0, f"size={mb}m".encode())
    if done != 0:
        raise OSError(ctypes.get_errno(), "mount")
    path.chmod(0o711)
    try:
        yield path
    finally:
        _libc.umount2(os.fsencode(path), MNT_DETACH)


def free_kb(path: Path) -> int:
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize // 1024


@contextmanager
def fill_disk(path: Path, leave_kb: int) -> Iterator[None]:
    """Fills the disk except for `leave_kb`; gives the space back at the end."""
    for queue in path.glob("*.sqlite3"):
        _truncate_log(queue)
    ballast = path / "ballast"
    try:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, (free_kb(path) - leave_kb) * 1024)
        yield
    finally:
        ballast.unlink()


def _truncate_log(queue: Path) -> None:
    """Empties the write-ahead log: entries fit into its old pages even when the disk is full."""
    db = sqlite3.connect(queue, timeout=10)
    try:
        (busy, _, _) = db.execute("pragma wal_checkpoint(truncate)").fetchone()
    finally:
        db.close()
    assert not busy, f"{queue.name} is in use"
