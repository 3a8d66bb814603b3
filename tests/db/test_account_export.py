"""The export of an account: complete, readable, with bounded memory, and never without a trace."""

import json
import os
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from obstore.store import MemoryStore

from db import Connection, ConnectionLost, Pool, tenant_tx
from db.access_log import list_reads
from db.account_export import PARTS
from db.accounts import Account, find_account, upsert_signed_in_account
from db.deleting import object_folder
from db.export_archive import PAGE, Export, export_files, export_zip
from db.restrictions import delete_restriction, upsert_restriction
from db.rooms import update_opener
from db.storage import CHUNK, Storage
from db.transcripts import insert_dead_letter
from tests.conftest import Database
from tests.db.host_parts import OperatedHost
from tests.db.rows import NOW, at
from tests.db.test_tenants import Ids, fill

# column that names an account -> the file that has its rows
EXPORTED = {
    ("access_log", "account_id"): "read-by.json",
    ("access_log", "reader_account_id"): "read-by-you.json",
    ("account_settings", "account_id"): "settings.json",
    ("auth_sessions", "account_id"): "sign-ins.json",
    ("consents", "account_id"): "consents.json",
    ("course_staff", "account_id"): "teaching.json",
    ("enrollments", "account_id"): "enrollments.json",
    ("erasures", "account_id"): "erased.json",
    ("lesson_progress", "account_id"): "progress.json",
    ("livekit_participants", "account_id"): "sessions/",
    ("livekit_rooms", "opener_account_id"): "rooms.json",
    ("quiz_runs", "account_id"): "quizzes.json",
    ("request_rates", "account_id"): "requests.json",
    ("room_learners", "account_id"): "rooms.json",
    ("room_restrictions", "account_id"): "restrictions.json",
    ("room_restrictions", "by_account_id"): "restrictions-by-you.json",
    ("transcript_segments", "account_id"): "sessions/",
    ("transcript_segments", "to_account_id"): "sessions/",
}
# column that names an account -> why it isn't exported
LEFT_OUT: dict[tuple[str, str], str] = {}
NAMING_AN_ACCOUNT = """
select c.relname as table, a.attname as column from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
  and a.attname ~ '(account|person|learner|teacher|mentor|reader|guardian)_id$'
union
select c.relname, a.attname from pg_constraint f
join pg_class c on c.oid = f.conrelid
join pg_attribute a on a.attrelid = c.oid and a.attnum = any (f.conkey)
where f.contype = 'f' and f.confrelid = 'accounts'::regclass and a.attname <> 'tenant_id'
"""


@pytest.fixture
async def ids(pool: Pool, database: Database) -> Ids:
    """A tenant whose learner has a row in every table."""
    ids = await fill(pool, "school")
    async with tenant_tx(pool, ids.tenant_id) as db:
        await update_opener(db, ids.tenant_id, ids.room_id, ids.account_id)
        await db.execute(
            """insert into access_log (tenant_id, account_id, reader_account_id, reader_role,
                                       session_id, route, at)
               values ($1, $2, $2, 'learner', $3, 'search', now())""",
            ids.tenant_id,
            ids.account_id,
            ids.session_id,
        )
    drain = await asyncpg.connect(database.dsn("bodh_drain"))
    await drain.execute("select set_config('app.tenant_id', $1, false)", str(ids.tenant_id))
    payload = {"account_id": str(ids.account_id), "text": "set aside"}
    await insert_dead_letter(
        drain, ids.tenant_id, kind="segment", entry_key="k", payload=payload, error="x"
    )
    await drain.close()
    return ids


async def export_of(pool: Pool, ids: Ids, reader: Account | None = None) -> Export:
    async with tenant_tx(pool, ids.tenant_id) as db:
        account = await find_account(db, ids.tenant_id, ids.account_id)
    assert account is not None
    return Export(pool, Storage(MemoryStore()), account, reader, NOW)


class WatchedStorage(Storage):
    """Counts the objects that are being read."""

    opened = reads = 0

    async def read(
        self, tenant_id: UUID, name: str, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.opened += 1
        self.reads += 1
        try:
            async for data in super().read(tenant_id, name, start, end):
                yield data
        finally:
            self.opened -= 1


async def collect(pieces: AsyncIterator[tuple[str, bytes]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    async for name, data in pieces:
        files[name] = files.get(name, b"") + data
    return files


async def test_every_table_that_names_an_account_is_exported_or_left_out_for_a_reason(
    db: Connection, pool: Pool, ids: Ids
) -> None:
    """If this fails for a new table, add it to PARTS in db/account_export.py."""
    found = {(row["table"], row["column"]) for row in await db.fetch(NAMING_AN_ACCOUNT)}
    assert found == EXPORTED.keys() | LEFT_OUT.keys()
    files = await collect(export_files(await export_of(pool, ids)))
    session = json.loads(files[f"sessions/{ids.session_id}.json"])
    assert session["attendance"]
    assert session["events"]
    assert [one["text"] for one in session["transcript"]] == ["words s"]
    named = set(EXPORTED.values()) - {"sessions/"} | {"account.json", "set-aside.json"}
    assert {name for name in named if not json.loads(files[name])} == set()
    assert files.keys() == {
        *(f"{part.name}.json" for part in PARTS),
        f"sessions/{ids.session_id}.json",
        "index.html",
    }
    assert b"set aside" in files["index.html"]


async def test_what_a_teacher_did_to_a_learner_is_in_both_exports_and_names_only_its_reader(
    pool: Pool, ids: Ids
) -> None:
    """The teacher was in the session only to mute and to unmute."""
    tenant_id, session_id = ids.tenant_id, ids.session_id
    async with tenant_tx(pool, tenant_id) as db:
        amina = await find_account(db, tenant_id, ids.account_id)
        assert amina is not None
        otto = await upsert_signed_in_account(
            db, tenant_id, subject="dev:Otto", name="Otto", role="teacher"
        )
        await upsert_restriction(db, tenant_id, session_id, amina, "removed", by=otto, now=NOW)
        await delete_restriction(db, tenant_id, session_id, amina, by=otto, now=at(9))
    seen = []
    for account, other in ((otto, amina), (amina, otto)):
        export = Export(pool, Storage(MemoryStore()), account, None, NOW)
        files = await collect(export_files(export))
        assert other.identity.encode() not in b"".join(files.values())
        events = json.loads(files[f"sessions/{session_id}.json"])["events"]
        seen.append([(one["type"], one.get("by"), one.get("identity")) for one in events[-2:]])
    kinds = ("participant.restricted", "participant.released")
    assert seen == [
        [(kind, otto.identity, None) for kind in kinds],
        [(kind, None, amina.identity) for kind in kinds],
    ]


async def test_keys_of_sign_ins_are_not_exported(pool: Pool, ids: Ids) -> None:
    files = await collect(export_files(await export_of(pool, ids)))
    (session,) = json.loads(files["sign-ins.json"])
    assert "created_at" in session
    assert not {"key_hash", "id_token"} & session.keys()
    assert b"id token" not in b"".join(files.values())


async def test_stored_objects_of_the_account_are_exported(pool: Pool, ids: Ids) -> None:
    export = await export_of(pool, ids)
    folder = object_folder("account", ids.account_id)
    await export.storage.put(ids.tenant_id, f"{folder}/photo.png", b"bytes")
    files = await collect(export_files(export))
    assert files["files/photo.png"] == b"bytes"


async def test_object_deleted_during_an_export_is_left_out(pool: Pool, ids: Ids) -> None:
    export = await export_of(pool, ids)
    folder = object_folder("account", ids.account_id)
    for name in ("gone", "kept"):
        await export.storage.put(ids.tenant_id, f"{folder}/{name}", b"bytes")
    names = set()
    async for name, _ in export_files(export):
        if name == PAGE:
            await export.storage.delete(ids.tenant_id, [f"{folder}/gone"])
        names.add(name)
    assert {name for name in names if name.startswith("files/")} == {"files/kept"}


async def test_export_without_a_reader_is_closed_at_once(pool: Pool, ids: Ids) -> None:
    storage = WatchedStorage(MemoryStore())
    folder = object_folder("account", ids.account_id)
    await storage.put(ids.tenant_id, f"{folder}/film", os.urandom(2 * CHUNK))
    pieces = export_zip(replace(await export_of(pool, ids), storage=storage))
    while len(await anext(pieces)) < CHUNK // 2:
        pass
    assert storage.opened == 1
    await pieces.aclose()
    assert storage.opened == 0


async def test_error_in_an_export_is_not_hidden_by_its_archive(pool: Pool, ids: Ids) -> None:
    pieces = export_zip(await export_of(pool, ids))
    await anext(pieces)
    await pool.close()
    with pytest.raises(ConnectionLost):
        await anext(pieces)


async def test_operator_is_recorded_as_reader(pool: Pool, ids: Ids) -> None:
    await collect(export_files(await export_of(pool, ids)))
    async with tenant_tx(pool, ids.tenant_id) as db:
        reads = await list_reads(db, ids.tenant_id, ids.account_id, 9)
    exported = [one for one in reads if one.route == "export"]
    assert [(one.reader_role, one.reader_name, one.at) for one in exported] == [
        ("operator", None, NOW)
    ]


@pytest.mark.slow
async def test_memory_of_an_export_does_not_grow_with_it(
    pool: Pool, ids: Ids, database: Database
) -> None:
    """20 sessions of 1 MB each."""
    superuser = await asyncpg.connect(database.dsn("postgres"))
    await superuser.execute(
        """insert into sessions (tenant_id, room_id, status, started_at)
           select $1, $2, 'completed', now() from generate_series(1, 20)""",
        ids.tenant_id,
        ids.room_id,
    )
    await superuser.execute(
        """insert into transcript_segments (tenant_id, session_id, id, account_id, identity, name,
             role, source, text, started_at, ended_at, epoch, local_seq)
           select $1, s.id, n::text, $2, 'l', 'Amina', 'learner', 'text', repeat('words ', 1700),
                  now(), now(), 1, n
           from sessions s, generate_series(1, 100) n where s.tenant_id = $1""",
        ids.tenant_id,
        ids.account_id,
    )
    await superuser.close()
    export = await export_of(pool, ids)
    tracemalloc.start()
    size = sum([len(data) async for _, data in export_files(export)])
    async for _ in export_zip(export):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 40_000_000
    assert most < 12_000_000


@pytest.fixture
def host(database: Database, tmp_path: Path) -> OperatedHost:
    home = tmp_path / "home"
    home.mkdir()
    return OperatedHost(database, home)


@pytest.mark.slow
async def test_operator_exports_an_account_to_a_new_folder(
    host: OperatedHost, ids: Ids, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    arguments = ("export-account", str(ids.account_id), str(folder), "--tenant", "school")
    code, output = await host.run_command(*arguments)
    assert (code, "open" in output) == (0, True), output
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "words s" in (folder / "index.html").read_text()
    assert json.loads((folder / "account.json").read_text())[0]["id"] == str(ids.account_id)
    code, output = await host.run_command(*arguments)
    assert (code, "name a new folder" in output) == (1, True), output


@pytest.mark.slow
async def test_failed_export_leaves_no_folder(
    host: OperatedHost, ids: Ids, tmp_path: Path, database: Database
) -> None:
    superuser = await asyncpg.connect(database.dsn("postgres"))
    await superuser.execute("revoke insert on access_log from bodh_app")
    await superuser.close()
    folder = tmp_path / "export"
    code, _ = await host.run_command(
        "export-account", str(ids.account_id), str(folder), "--tenant", "school"
    )
    assert code != 0
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("who", [str(UUID(int=0)), "nobody@school.example"])
async def test_unknown_account_is_not_exported(
    host: OperatedHost, tmp_path: Path, who: str
) -> None:
    folder = tmp_path / "export"
    code, output = await host.run_command("export-account", who, str(folder))
    assert (code, "no account is called" in output) == (1, True), output
    assert not folder.exists()
