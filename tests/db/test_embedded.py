"""The embedded server: one per folder, reused after a kill, nothing left behind."""

import asyncio
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from db import create_pool, embedded, tenant_tx
from db.embedded import Cluster, EmbeddedError
from harness.run_folder import make_memory_folder
from tests.conftest import ROOT, Database, Postgres

pytestmark = pytest.mark.slow


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A server in a private folder with a space in its name."""
    home = Path(tempfile.mkdtemp(prefix="bodh test ", dir=make_memory_folder()))
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
    home = make_memory_folder()
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


async def test_server_has_no_secret_and_as_root_reads_nothing_outside_its_folder(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("a secret of the host")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    child = await embedded.start_server(cluster)
    assert child is not None
    environment = Path(f"/proc/{child.pid}/environ")
    assert b"sk-planted" not in await asyncio.to_thread(environment.read_bytes)
    db = await asyncpg.connect(cluster.dsn("postgres", "postgres"))
    try:
        assert await db.fetchval("select pg_read_file('PG_VERSION')") == "18\n"
        if os.geteuid() == 0:
            for path in (outside, "/etc/shadow", "/etc/hostname"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await db.fetchval("select pg_read_file($1)", str(path))
    finally:
        await db.close()


async def test_no_other_user_of_the_host_can_sign_in(cluster: Cluster) -> None:
    await embedded.start_server(cluster)
    for folder in (cluster.sockets.parent, cluster.sockets):
        folder.chmod(0o711)  # even if the folder were open
    address = str(cluster.sockets / ".s.PGSQL.5432")
    assert await asyncio.to_thread(sign_in_as, os.geteuid(), address) == b"R"
    if os.geteuid() == 0:
        assert await asyncio.to_thread(sign_in_as, pwd.getpwnam("nobody").pw_uid, address) == b"E"


def sign_in_as(user: int, address: str) -> bytes:
    """The first byte of the server's answer to a process of the user: R to go on, E for an error.

    The socket itself admits everyone: only the server can refuse.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_sign_in_as, args=(user, address, theirs)
    )
    process.start()
    process.join(10)
    return bytes(ours.recv()) if ours.poll(0) else b""


def _sign_in_as(user: int, address: str, answer: Any) -> None:
    os.setuid(user)
    startup = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(address)
        connection.sendall(struct.pack("!I", len(startup) + 4) + startup)
        answer.send(connection.recv(1))


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
