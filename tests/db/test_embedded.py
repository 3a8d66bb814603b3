"""The embedded server: one per folder, reused after a kill, nothing left behind."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from db import create_pool, embedded, tenant_tx
from db.embedded import Cluster, EmbeddedError
from tests.conftest import ROOT, Database, Postgres


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A server in a private folder with a space in its name."""
    home = Path(tempfile.mkdtemp(prefix="bodh test "))
    cluster = Cluster(home / "postgres", home / "pg")
    yield cluster
    await embedded.stop_server(cluster)
    shutil.rmtree(home)


async def command(home: Path, *arguments: str) -> asyncio.subprocess.Process:
    """`python -m db` on a BODH_HOME."""
    environment = {key: value for key, value in os.environ.items() if "DATABASE" not in key}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "db",
        *arguments,
        cwd=ROOT,
        env=environment | {"BODH_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_orphaned_server_is_reused_and_a_killed_one_recovers(cluster: Cluster) -> None:
    child = await embedded.start_server(cluster)
    assert child is not None
    assert embedded.find_postmaster(cluster) == child.pid
    await embedded.ensure_database(cluster)
    db = await asyncpg.connect(cluster.dsn("bodh_owner"))
    await db.execute("create table kept as select 7 as number")
    db.terminate()
    assert await embedded.start_server(cluster) is None
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    assert await embedded.start_server(cluster) is not None
    db = await asyncpg.connect(cluster.dsn("bodh_owner"))
    assert await db.fetchval("select number from kept") == 7
    await db.close()
    await embedded.stop_server(cluster)
    assert embedded.find_postmaster(cluster) is None


async def test_commands_serve_migrate_and_seed_and_nothing_runs_after_sigterm() -> None:
    home = Path(tempfile.mkdtemp(prefix="bodh-"))
    cluster = Cluster(home / "postgres", home / "run" / "pg")
    server = await command(home, "serve")
    try:
        for name in ("migrate", "seed"):
            process = await command(home, name)
            _, problem = await process.communicate()
            assert process.returncode == 0, problem.decode()
        db = await asyncpg.connect(cluster.dsn("bodh_owner"))
        assert (
            await db.fetchval("select rolbypassrls from pg_roles where rolname = 'bodh_app'")
            is False
        )
        await db.close()
    finally:
        server.send_signal(signal.SIGTERM)
        await server.communicate()
    assert (server.returncode, embedded.find_postmaster(cluster)) == (0, None)
    shutil.rmtree(home)


async def test_command_without_a_server_says_what_to_do(tmp_path: Path) -> None:
    process = await command(tmp_path, "seed")
    _, problem = await process.communicate()
    assert process.returncode == 1
    assert b"start `python -m db serve`" in problem
    assert problem.count(b"\n") == 1


async def test_no_disk_space_is_one_clear_error(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "NEEDED_MB", 2**40)
    with pytest.raises(EmbeddedError, match=r"no disk space: \d+ MB are free at /"):
        await embedded.start_server(cluster)


async def test_pool_replaces_connections_after_a_restart(
    database: Database, postgres: Postgres
) -> None:
    pool = await create_pool(database.dsn(), max_size=3)
    async with tenant_tx(pool, postgres.tenant_id), tenant_tx(pool, postgres.tenant_id):
        pass
    await postgres.admin(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bodh_app'"
    )
    async with tenant_tx(pool, postgres.tenant_id) as db:
        assert await db.fetchval("select 1") == 1
    await pool.close()
