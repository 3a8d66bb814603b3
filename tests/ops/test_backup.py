"""Backup and restore as in docs/operations.md: everything is wiped, then restored."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import TypeAdapter

from agent.durable.drain import Drainer
from agent.durable.spool import Entry, Spool
from db import Pool, create_pool, embedded, tenant_tx
from db.accounts import find_account
from db.auth_sessions import (
    ProviderSession,
    find_account_and_touch_session,
    insert_auth_session,
)
from db.backup import back_up, restore, split_password
from db.event_chain import first_broken_seq
from db.events import list_events
from db.local_inbox import LocalInbox, MediaEvent
from db.storage import open_storage
from db.transcripts import Segment, insert_segments, list_segments
from harness.run_folder import make_memory_folder
from harness.stack import ROOT
from settings import Settings
from tests.db.rows import NOW, make_learner, make_session, segment

_segments = TypeAdapter(Segment)


@pytest.fixture
async def home() -> AsyncIterator[Path]:
    folder = make_memory_folder()
    yield folder / "home"
    await embedded.stop_server(
        embedded.cluster_of(Settings(_env_file=None, bodh_home=folder / "home"))
    )
    shutil.rmtree(folder)


def db_command(home: Path, *arguments: str) -> str:
    """Runs `python -m db`, asserts success and returns its output."""
    done = subprocess.run(
        [sys.executable, "-m", "db", *arguments],
        cwd=ROOT, env={**os.environ, "BODH_HOME": str(home), "DATABASE_URL": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[tuple[Settings, Pool, UUID]]:
    """Runs the embedded server of this BODH_HOME. Yields settings, a pool and the tenant."""
    settings = Settings(_env_file=None, bodh_home=home)
    cluster = embedded.cluster_of(settings)
    await embedded.start_server(cluster)
    await embedded.ensure_database(cluster)
    db_command(home, "migrate")
    pool = await create_pool(settings.app_dsn, max_size=2)
    try:
        async with pool.acquire() as db:
            yield settings, pool, await db.fetchval("select id from tenants where slug = 'default'")
    finally:
        await pool.close()
        await embedded.stop_server(cluster)


async def read(pool: Pool, tenant_id: UUID, session_id: UUID) -> tuple[list[Any], list[Any]]:
    """Transcript and event log of a session."""
    async with tenant_tx(pool, tenant_id) as db:
        said = await list_segments(db, tenant_id, session_id)
        return list(said), list(await list_events(db, tenant_id, session_id))


async def drain(settings: Settings) -> int:
    """Drains one batch of the spool. Returns its size."""
    spool = Spool(settings.spool_path)
    pool = await create_pool(settings.drain_dsn, max_size=2)
    try:
        return await Drainer(spool, pool).drain_batch()
    finally:
        await pool.close()
        await spool.close()


@pytest.mark.timeout(240)
async def test_backup_is_restored_after_everything_is_wiped(home: Path) -> None:
    async with running(home) as (settings, pool, tenant_id):
        async with tenant_tx(pool, tenant_id) as db:
            session_id = await make_session(db, tenant_id)
            kept = [segment(session_id, f"SG_{n}", float(n), None) for n in range(5)]
            await insert_segments(db, tenant_id, kept)
            amina = await make_learner(db, tenant_id)
            await insert_auth_session(
                db, tenant_id, amina.id, b"key", NOW, provider=ProviderSession()
            )
        await put_waiting(settings, tenant_id, segment(session_id, "SG_9", 9.0, None))
        before, log = await read(pool, tenant_id, session_id)
        assert len(before) == 5
        await open_storage(settings).put(tenant_id, "courses/a.png", b"a picture")
        db_command(home, "backup", str(home.parent / "backup"))  # while the server runs

    shutil.rmtree(home)
    db_command(home, "restore", str(home.parent / "backup"))

    async with running(home) as (settings, pool, same_tenant):
        assert same_tenant == tenant_id
        assert await read(pool, tenant_id, session_id) == (before, log)
        assert first_broken_seq(log) is None
        async with tenant_tx(pool, tenant_id) as db:
            assert await find_account(db, tenant_id, amina.id) == amina
            assert (
                await find_account_and_touch_session(db, tenant_id, b"key", NOW) is None
            )  # may have ended since
        assert await drain(settings) == 1
        after, _ = await read(pool, tenant_id, session_id)
        assert [one.id for one in after] == [*(one.id for one in kept), "SG_9"]
        inbox = LocalInbox(settings.inbox_path)
        assert [webhook.event.id for webhook in await inbox.list_waiting(10)] == ["EV_1"]
        await inbox.close()
        chunks = open_storage(settings).read(tenant_id, "courses/a.png")
        assert [chunk async for chunk in chunks] == [b"a picture"]


async def put_waiting(settings: Settings, tenant_id: UUID, said: Segment) -> None:
    """Puts an entry into the spool and one into the inbox that Postgres does not have yet."""
    spool = Spool(settings.spool_path)
    payload = _segments.dump_python(said, mode="json")
    await spool.write_entry(Entry(tenant_id, said.session_id, "segment", said.id, payload))
    await spool.close()
    inbox = LocalInbox(settings.inbox_path)
    await inbox.put_event(MediaEvent(id="EV_1", name="room_started", at=datetime.now(UTC)))
    await inbox.close()


async def test_restore_overwrites_nothing(home: Path) -> None:
    async with running(home):
        db_command(home, "backup", str(home.parent / "backup"))
    with pytest.raises(AssertionError, match="the database is not empty"):
        db_command(home, "restore", str(home.parent / "backup"))


async def test_own_postgres_is_backed_up_by_its_url(home: Path) -> None:
    async with running(home) as (settings, _, tenant_id):
        url = embedded.cluster_of(settings).dsn("postgres")
        db_command(home, "backup", str(home.parent / "backup"), "--url", url)
        admin = await asyncpg.connect(embedded.cluster_of(settings).dsn("postgres", "postgres"))
        await admin.execute("create database other owner bodh_owner")
        await admin.close()
        other = embedded.cluster_of(settings).dsn("postgres", "other")
        db_command(home, "restore", str(home.parent / "backup"), "--url", other)
        db = await asyncpg.connect(other)
        assert await db.fetchval("select id from tenants where slug = 'default'") == tenant_id
        await db.close()


@pytest.mark.parametrize(
    ("dsn", "url", "password"),
    [
        ("postgresql://a@h:5432/d", "postgresql://a@h:5432/d", None),
        ("postgresql://h:5432/d?user=a", "postgresql://h:5432/d?user=a", None),
        ("postgresql://a:p%40s+s@h:5432/d", "postgresql://a@h:5432/d", "p@s+s"),
        ("postgres://a:p?#:s@/d?host=%2Frun", "postgres://a@/d?host=%2Frun", "p?#:s"),
        ("postgresql://h?password=one", "postgresql://h", "one"),
        ("postgresql://a:one@/d?x=1&password=two&y=2", "postgresql://a@/d?x=1&y=2", "two"),
    ],
)
def test_password_is_split_from_the_url(dsn: str, url: str, password: str | None) -> None:
    assert split_password(dsn) == (url, {} if password is None else {"PGPASSWORD": password})


async def test_arguments_of_backup_and_restore_contain_no_password(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    folder = home.parent / "backup"
    elsewhere = Settings(_env_file=None, bodh_home=home.parent / "elsewhere")
    async with running(home) as (settings, *_):
        cluster = embedded.cluster_of(settings)
        await require_password(cluster)
        url, other = (cluster.dsn(f"postgres:{PASSWORD}", name) for name in ("bodh", "other"))
        async with blocked_by(url, "lock table tenants"):
            backup = asyncio.create_task(back_up(settings, folder, url))
            dumping = await arguments_of("pg_dump", backup)
        await backup
        await run(url, "create database other")
        async with blocked_by(other, "create table tenants ()"):
            restoring = asyncio.create_task(restore(elsewhere, folder, other))
            filling = await arguments_of("pg_restore", restoring)
        await restoring
    assert f"{folder.parent}/.bodh-backup-" in dumping
    assert str(folder) in filling
    assert PASSWORD not in dumping + filling


PASSWORD = "only-for-this-test"


async def require_password(cluster: embedded.Cluster) -> None:
    """Makes the server require the superuser's password."""
    await run(cluster.dsn("postgres"), f"alter role postgres password '{PASSWORD}'")
    access = cluster.data / "pg_hba.conf"
    access.write_text(f"local all postgres scram-sha-256\n{access.read_text()}")
    with contextlib.suppress(asyncpg.InvalidPasswordError):
        while True:  # until the server has reloaded it
            await run(cluster.dsn("postgres"), "select pg_reload_conf()")


async def run(url: str, statement: str) -> None:
    db = await asyncpg.connect(url)
    await db.execute(statement)
    await db.close()


@asynccontextmanager
async def blocked_by(url: str, statement: str) -> AsyncIterator[None]:
    """Holds the locks of a statement during the block, then rolls it back."""
    db = await asyncpg.connect(url)
    transaction = db.transaction()
    await transaction.start()
    await db.execute(statement)
    try:
        yield
    finally:
        await transaction.rollback()
        await db.close()


async def arguments_of(program: str, running: "asyncio.Task[Any]") -> str:
    """The arguments of our child that runs this program, as other users see them."""
    while not running.done():
        for line in arguments_of_children():
            if program in line:
                return line
        await asyncio.sleep(0.02)
    running.result()
    raise AssertionError(f"{program} did not run")


def arguments_of_children() -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if parent == str(os.getpid()):
                yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
