"""Migrations: run once by several processes, never edited after they landed, never undone."""

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from db import Connection
from db.event_chain import first_broken_seq
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
    "0013_pseudonyms.sql": "bbeb945c2c4824d6",
    "0014_erasures.sql": "a76ba100d007e4ce",
    "0015_storing_choice.sql": "d79d3be7af16b796",
    "0016_retention.sql": "135c66f572e14749",
    "0017_course_staff.sql": "09f3d46ac0abb1b2",
    "0018_access_log.sql": "9c07c1abd33dada7",
    "0019_heard_by.sql": "89f9cdef9e861270",
    "0020_access_retention.sql": "dc6cdb4ba7c6bbab",
    "0021_room_lock.sql": "4cb55663458c70c9",
    "0022_consents.sql": "e294f62b9dd60fc5",
    "0023_room_restrictions.sql": "6f7bf8d9b83cc530",
    "0024_heard_answers.sql": "665001770a9626bc",
    "0025_events_by.sql": "b1f72bf69d8cf954",
    "0026_invitations.sql": "b7d348e2d9ad92de",
}
EMPTY = "t_empty"


@pytest.fixture
async def empty(postgres: Postgres) -> str:
    """The owner's DSN of an empty database."""
    await postgres.admin(f"drop database if exists {EMPTY} with (force)")
    await postgres.admin(f"create database {EMPTY} owner bodh_owner")
    return postgres.dsn("bodh_owner", EMPTY)


@pytest.mark.slow
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


async def migrate_until(
    newest: str, dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrates to an older revision, from a copy of the migrations in a new folder."""

    def newer(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name[:4].isdigit() and name[:4] > newest}

    shutil.copytree(FOLDER, folder / "migrations", ignore=newer)
    with monkeypatch.context() as before:
        before.setattr("db.migrate.FOLDER", folder / "migrations")
        await migrate(dsn)


async def test_sessions_older_than_the_log_get_a_complete_one(
    empty: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate_until("0001", empty, tmp_path, monkeypatch)
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
        assert first_broken_seq(events, await find_event_head(db, tenant_id, session["id"])) is None
        view = fold_session(events)
        assert (view.status, view.ended_at) == (session["status"], session["ended_at"])
    await db.close()


@pytest.fixture
async def old_log(
    empty: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connection]:
    """A database whose event logs still name accounts: Amina's. One log was tampered with."""
    await migrate_until("0011", empty, tmp_path, monkeypatch)
    db = await asyncpg.connect(postgres.dsn("postgres", EMPTY))
    tenant_id = await db.fetchval("select id from tenants")
    await db.execute(
        """insert into accounts (tenant_id, id, subject, name, identity)
           values ($1, $2, 'amina', 'Amina', 'l_amina')""",
        tenant_id,
        AMINA,
    )
    for session_id in (INTACT, TAMPERED, CUT):
        await insert_old_log(db, tenant_id, session_id)
    await db.execute("alter table session_state_events disable trigger append_only")
    await db.execute(
        "update session_state_events set at = now() where session_id = $1 and seq = 3", TAMPERED
    )
    await db.execute("delete from session_state_events where session_id = $1 and seq = 6", CUT)
    await db.execute("alter table session_state_events enable always trigger append_only")
    yield db
    await db.close()


AMINA, INTACT, TAMPERED, CUT = (UUID(int=number) for number in range(1, 5))


async def insert_old_log(db: Connection, tenant_id: UUID, session_id: UUID) -> None:
    """A session with one event of each kind that named an account."""
    room_id = await db.fetchval(
        "insert into livekit_rooms (tenant_id, name) values ($1, $2) returning id",
        tenant_id,
        str(session_id),
    )
    await db.execute(
        "insert into sessions (tenant_id, id, room_id, status) values ($1, $2, $3, 'completed')",
        tenant_id,
        session_id,
        room_id,
    )
    account, lesson = str(AMINA), str(UUID(int=9))
    rows: list[tuple[str, dict[str, object], str | None]] = [
        ("session.started", {"room_sid": "RM_1", "kind": "tutor", "room_id": str(room_id)}, None),
        ("participant.joined", {"sid": "PA_1", "account_id": account}, "joined:PA_1"),
        (
            "lesson.changed",
            {"account_id": account, "revision": 7, "lesson_id": lesson},
            f"lesson:{account}:7",
        ),
        ("chat.message", {"segment_id": "1-1", "account_id": account}, None),
        ("chat.message", {"segment_id": "1-2", "account_id": None}, None),
        ("participant.left", {"sid": "PA_1", "account_id": account}, "left:PA_1"),
    ]
    last = bytes(32)
    hashes = []
    for seq, (kind, payload, _) in enumerate(rows, start=1):
        body = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        lines = (session_id, seq, kind, 1, "2026-01-02T03:04:05.600000+00:00", body)
        last = hashlib.sha256(last + "\n".join(map(str, lines)).encode()).digest()
        hashes.append(last)
    await db.execute(
        """insert into session_event_heads (tenant_id, session_id, last_seq, last_hash)
           values ($1, $2, $3, $4)""",
        tenant_id,
        session_id,
        len(rows),
        last,
    )
    await db.executemany(
        """insert into session_state_events
             (tenant_id, session_id, seq, type, version, at, payload, hash, idempotency_key)
           values ($1, $2, $3, $4, 1, '2026-01-02 03:04:05.6+00', $5, $6, $7)""",
        [
            (tenant_id, session_id, seq, kind, json.dumps(payload), hash_, key)
            for seq, ((kind, payload, key), hash_) in enumerate(
                zip(rows, hashes, strict=True), start=1
            )
        ],
    )


async def test_old_logs_name_identities_instead_of_accounts(
    old_log: Connection, empty: str
) -> None:
    await migrate(empty)
    tenant_id = await old_log.fetchval("select id from tenants")
    events = await list_events(old_log, tenant_id, INTACT)
    assert first_broken_seq(events, await find_event_head(old_log, tenant_id, INTACT)) is None
    assert [(event.version, event.payload.get("identity", "none")) for event in events] == [
        (1, "none"), (2, "l_amina"), (2, "l_amina"), (2, "l_amina"), (2, None), (2, "l_amina"),
    ]  # fmt: skip
    assert fold_session(events).lessons == {"l_amina": UUID(int=9)}
    keys = await old_log.fetch(
        "select idempotency_key from session_state_events where session_id = $1 order by seq",
        INTACT,
    )
    assert [key for (key,) in keys] == [
        None, "joined:PA_1", "lesson:l_amina:7", None, None, "left:PA_1",
    ]  # fmt: skip
    everywhere = await old_log.fetch("select t::text from session_state_events t")
    assert [row for (row,) in everywhere if str(AMINA) in row] == []


@pytest.mark.parametrize(("session_id", "broken_at"), [(TAMPERED, 3), (CUT, 6)])
async def test_log_that_was_broken_stays_broken_at_the_same_event(
    old_log: Connection, empty: str, session_id: UUID, broken_at: int
) -> None:
    await migrate(empty)
    tenant_id = await old_log.fetchval("select id from tenants")
    events = await list_events(old_log, tenant_id, session_id)
    assert (
        first_broken_seq(events, await find_event_head(old_log, tenant_id, session_id)) == broken_at
    )


async def test_rewritten_logs_are_append_only_again(old_log: Connection, empty: str) -> None:
    await migrate(empty)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await old_log.execute("update session_state_events set payload = '{}'")


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
