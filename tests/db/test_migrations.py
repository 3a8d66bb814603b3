"""Migrations: run once by several processes, never edited after they landed, never undone."""

import asyncio
import hashlib
import shutil
import sys
from pathlib import Path

import asyncpg
import pytest

from db.event_chain import find_broken_event
from db.events import find_event_head, list_events
from db.migrate import FOLDER, MigrationError, migrate
from db.session_view import fold_session
from tests.conftest import ROOT, Postgres

# an applied revision is not run again: add a new one instead of editing it
LANDED = {
    "0001_classroom.sql": "3bd463a81ec20a8b",
    "0002_events.sql": "4ee859dcd2388c3c",
    "0003_webhooks.sql": "944b179fc0b3a6ad",
    "0004_own_words.sql": "1bb65d253c3ab3dd",
    "0005_formulas.sql": "c01ee75d75fad956",
    "0006_leases.sql": "ed1bf9b097edebe1",
    "0007_notices.sql": "27f7e504c0fc516b",
    "0008_old_notices.sql": "49d635321dd632f7",
    "0009_background_jobs.sql": "7119e49b71376b12",
    "0010_watch_webhooks.sql": "84ed8a8b643356da",
    "0011_pictures.sql": "352a72b487fa1ced",
    "0012_sign_in.sql": "b76924ebbe344f14",
}
EMPTY = "t_empty"


@pytest.fixture
async def empty(postgres: Postgres) -> str:
    """The owner's DSN of an empty database."""
    await postgres.admin(f"drop database if exists {EMPTY} with (force)")
    await postgres.admin(f"create database {EMPTY} owner bodh_owner")
    return postgres.dsn("bodh_owner", EMPTY)


async def test_four_processes_migrate_an_empty_database_at_once(empty: str) -> None:
    script = (
        "import asyncio, sys; from db.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"
    )
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, empty, cwd=ROOT)
        for _ in range(4)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0, 0]
    db = await asyncpg.connect(empty)
    assert await db.fetchval("select count(*) from tenants") == 1
    await db.close()


async def test_a_database_ahead_of_the_code_is_refused(postgres: Postgres) -> None:
    dsn = postgres.dsn("bodh_owner")
    db = await asyncpg.connect(dsn)
    newest = await db.fetchval("select version_num from alembic_version")
    await db.execute("update alembic_version set version_num = '9999'")
    try:
        with pytest.raises(MigrationError, match=r"ahead of this code \(revision 9999\)"):
            await migrate(dsn)
    finally:
        await db.execute("update alembic_version set version_num = $1", newest)
        await db.close()


def test_landed_revisions_are_never_edited() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted((FOLDER / "versions").glob("*.sql"))
    }
    assert found == LANDED


async def test_sessions_older_than_the_log_get_a_complete_one(
    empty: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        FOLDER, tmp_path / "migrations", ignore=shutil.ignore_patterns("000[2-9]*", "00[1-9]*")
    )
    with monkeypatch.context() as before:
        before.setattr("db.migrate.FOLDER", tmp_path / "migrations")
        await migrate(empty)
    db = await asyncpg.connect(postgres.dsn("postgres", EMPTY))
    tenant_id = await db.fetchval("select id from tenants")
    room_id = await db.fetchval(
        "insert into livekit_rooms (tenant_id, name) values ($1, 'a') returning id", tenant_id
    )
    await db.execute(
        """insert into sessions (tenant_id, room_id, room_sid, started_at, status, ended_at)
           values ($1, $2, 'RM_1', '2026-01-02 03:04:05.006+05', 'completed', now()),
                  ($1, $2, 'RM_2', now(), 'active', null)""",
        tenant_id,
        room_id,
    )
    await migrate(empty)
    for session in await db.fetch("select id, status, ended_at from sessions"):
        events = await list_events(db, tenant_id, session["id"])
        assert (
            find_broken_event(events, await find_event_head(db, tenant_id, session["id"])) is None
        )
        view = fold_session(events)
        assert (view.status, view.ended_at) == (session["status"], session["ended_at"])
    await db.close()


async def test_failed_revision_leaves_no_trace(
    empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text((FOLDER / "env.py").read_text())
    (folder / "versions" / "0001_broken.sql").write_text("create table a (); select 1 / 0;")
    page = (FOLDER / "versions" / "0001_classroom.py").read_text()
    (folder / "versions" / "0001_broken.py").write_text(page)
    monkeypatch.setattr("db.migrate.FOLDER", folder)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty)
    db = await asyncpg.connect(empty)
    assert await db.fetch("select * from pg_tables where schemaname = 'public'") == []
    await db.close()
