"""A backup that fails, is stopped or is killed leaves no words behind."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from db import Connection, Pool, tenant_tx
from tests.conftest import ROOT, Database
from tests.db.host_parts import OperatedHost, files_with
from tests.db.rows import make_session, segment

pytestmark = pytest.mark.slow

WORDS = "my grandmother keeps nine bees"


@pytest.fixture
async def host(pool: Pool, database: Database, tenant_id: UUID, tmp_path: Path) -> OperatedHost:
    """A host whose spool holds words."""
    host = OperatedHost(database, tmp_path / "home")
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
    await host.spool(tenant_id, replace(segment(session_id, "1-1", 1, None), text=WORDS))
    return host


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
async def locked(database: Database) -> AsyncIterator[Connection]:
    """A table is locked, so that every dump waits. Yields a connection to look at the server."""
    holder, db = [await asyncpg.connect(database.dsn("postgres")) for _ in range(2)]
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("lock table tenants")
    yield db
    await db.close()
    await holder.close()


async def start_backup(
    host: OperatedHost, db: Connection, folder: Path
) -> asyncio.subprocess.Process:
    """Starts a backup and waits until it has copied the spool and its dump waits for the lock."""
    earlier = await count_dumps(db)
    process = await host.start_command(
        "backup", str(folder), "--url", host.database.dsn("postgres")
    )
    async with asyncio.timeout(20):
        while await count_dumps(db) == earlier:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return process


async def count_dumps(db: Connection) -> int:
    count: int = await db.fetchval(
        """select count(*) from pg_stat_activity where application_name = 'pg_dump'
           and datname = current_database() and wait_event_type = 'Lock'"""
    )
    return count


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_backup_stopped_by_sigterm_leaves_nothing(
    host: OperatedHost, backups: Path, locked: Connection
) -> None:
    process = await start_backup(host, locked, backups / "a")
    assert len(files_with(backups, WORDS)) == 1
    process.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, output.decode()) == (1, "stopped\n")
    assert names_in(backups) == []


async def test_only_drafts_of_killed_backups_are_removed_by_the_next_one(
    host: OperatedHost, backups: Path, locked: Connection
) -> None:
    killed = await start_backup(host, locked, backups / "a")
    killed.kill()
    await locked.execute(  # its dump has outlived it
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg_dump'"
    )
    await asyncio.wait_for(killed.wait(), 20)
    (draft,) = names_in(backups)
    running = await start_backup(host, locked, backups / "b")
    assert draft not in names_in(backups)
    other = await start_backup(host, locked, backups / "c")
    assert len(names_in(backups)) == 2
    for process in (running, other):
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)
    assert names_in(backups) == []


async def test_backup_of_a_missing_database_leaves_nothing(
    host: OperatedHost, backups: Path
) -> None:
    nowhere = host.database.postgres.dsn("postgres", "nowhere")
    code, output = await host.run_command("backup", str(backups / "a"), "--url", nowhere)
    assert (code, "pg_dump failed" in output) == (1, True)
    assert names_in(backups) == []


def test_backup_to_a_full_disk_leaves_nothing(host: OperatedHost, backups: Path) -> None:
    """Files may have 8 KB, so that copying the spool fails as on a full disk."""
    command = [sys.executable, "-m", "db", "backup", str(backups / "a"), "--url",
               host.database.dsn("postgres")]  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "-", *command],
        cwd=ROOT, env=host.process_env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "the backup failed" in done.stderr) == (1, True), done.stderr
    assert names_in(backups) == []
