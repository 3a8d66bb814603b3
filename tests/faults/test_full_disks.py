"""A full disk of Postgres or of the spool: what was acknowledged is stored, and all recovers."""

import asyncio
import secrets
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from db import embedded
from harness.disk import fill_disk, free_kb, may_mount, mounted_small_disk, run_in_own_namespace
from tests.conftest import ROOT
from tests.faults.writers_under_fault import (
    WRITERS,
    OwnPostgres,
    own_postgres,
    run_under_fault,
    until,
    waiting,
)
from tests.soak import SOAK

FULL_S = 30.0 if SOAK else 3.0
WORDS = secrets.token_hex(2_000)  # the longest segment, and it does not compress
NAMED = "tests/faults/test_full_disks.py::{}"


async def test_full_disk_of_postgres_delays_entries_and_loses_none(tmp_path: Path) -> None:
    if not may_mount():
        name = "test_full_disk_of_postgres_delays_entries_and_loses_none"
        await asyncio.to_thread(run_in_own_namespace, NAMED.format(name))
        return
    with mounted_small_disk(tmp_path / "disk", embedded.NEEDED_MB + 100) as disk:

        async def fault(server: OwnPostgres) -> None:
            with fill_disk(disk, 1_024):
                spools = list(server.home.glob("*/spool/spool.sqlite3"))
                await until(lambda: waiting(spools[0])[0] > 2 * WRITERS * 4)
                await asyncio.sleep(FULL_S)
                db = await asyncpg.connect(server.cluster.dsn(embedded.SUPERUSER))
                try:
                    with pytest.raises(asyncpg.DiskFullError):
                        await db.execute("create table more as select generate_series(1, 100000)")
                finally:
                    db.terminate()

        async with own_postgres(disk) as server:
            report = await run_under_fault(
                server, f"postgres-disk-full-{FULL_S:.0f}-s", fault, words=WORDS
            )
        assert report.faultless(), report
        assert report.refused == 0


async def test_full_disk_of_the_spool_raises_and_keeps_what_it_took(
    tmp_path: Path,
) -> None:
    if not may_mount():
        name = "test_full_disk_of_the_spool_raises_and_keeps_what_it_took"
        await asyncio.to_thread(run_in_own_namespace, NAMED.format(name))
        return
    with mounted_small_disk(tmp_path / "disk", 64) as disk:

        async def fault(_: OwnPostgres) -> None:
            with fill_disk(disk, 512):
                await until(lambda: free_kb(disk) < 8)
                await asyncio.sleep(FULL_S)

        async with own_postgres() as server:
            report = await run_under_fault(
                server, f"spool-disk-full-{FULL_S:.0f}-s", fault,
                words=WORDS, spool=disk / "spool.sqlite3",
            )  # fmt: skip
        assert report.faultless(), report
        assert report.refused > WRITERS  # every writer got an error


COUNTS_ON_A_FULL_DISK = """
import contextlib, sys
from pathlib import Path
from telemetry import alarms, gather, metrics

base = Path(sys.argv[1])
folder, ballast = base / "drain", base / "ballast"
folder.mkdir()
metrics.keep_metrics_in(folder)
alarms.keep_alarms_in(folder)
metrics.SPOOL_FAILURES.inc()
with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
    while True:
        file.write(bytes(1024))
for number in range(1000):
    metrics.SPOOL_LOST.inc(kind=str(number))
metrics.POOL_WAIT.observe(1.0)
alarms.alarm("spool_failing", True)
print("refused", (folder / alarms.ACTIVE_FILE).exists())
ballast.unlink()
alarms.alarm("spool_failing", True)
print("told", *gather.read_alarms_and_bury_dead(base))
"""


async def test_full_disk_loses_metrics_but_no_process_and_delays_alarms(
    tmp_path: Path,
) -> None:
    if not may_mount():
        name = "test_full_disk_loses_metrics_but_no_process_and_delays_alarms"
        await asyncio.to_thread(run_in_own_namespace, NAMED.format(name))
        return
    with mounted_small_disk(tmp_path / "disk", 1) as disk:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", COUNTS_ON_A_FULL_DISK, str(disk)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "refused False\ntold spool_failing\n"), done.stderr
