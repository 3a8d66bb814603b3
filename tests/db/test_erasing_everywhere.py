"""A planted person and a planted sentence are gone from every place where Bodh keeps something."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from db import Pool, create_pool, tenant_tx
from db.accounts import Account, upsert_signed_in_account
from db.attendance import upsert_participants
from db.erasing import erase_words
from db.local_inbox import LocalInbox, MediaEvent
from db.rooms import upsert_room_learner
from db.sessions import end_session, find_session
from db.stays import JOINED, ParticipantRow
from db.storage import open_storage
from db.transcripts import Segment, insert_dead_letter
from tests.conftest import Database
from tests.db.host_parts import OperatedHost, dump_with, files_with, tables_with
from tests.db.rows import at, make_session, segment
from watch.erasures import ErasureWatch
from watch.webhook_intake import WebhookIntake

pytestmark = pytest.mark.slow

NAME = "Zephyrine Quillfeather"
SENTENCE = "my grandmother keeps nine bees"
OTHER = "the weather was fine"


@dataclass
class Planted:
    """A session of the planted person and a classmate, on a host that has stored all of it."""

    host: OperatedHost
    pool: Pool
    tenant_id: UUID
    session_id: UUID
    person: Account

    def segment(self, key: str, start: float, who: Account | None) -> Segment:
        return segment(self.session_id, key, start, who)


@pytest.fixture
async def planted(pool: Pool, database: Database, tenant_id: UUID, tmp_path: Path) -> Planted:
    host = OperatedHost(database, tmp_path / "home")
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
        session = await find_session(db, tenant_id, session_id)
        assert session is not None
        person, classmate = [
            await upsert_signed_in_account(
                db, tenant_id, subject=f"{name}@school", name=name, role="learner"
            )
            for name in (NAME, "Badr")
        ]
        for account in (person, classmate):
            await upsert_room_learner(db, tenant_id, session.room_id, account.id, None)
            stay = ParticipantRow(session_id, f"PA_{account.name[0]}", account.id, at(1), at(90))
            await upsert_participants(db, tenant_id, [stay])
        await end_session(db, tenant_id, session_id, at(100))
    planted = Planted(host, pool, tenant_id, session_id, person)
    hello = replace(planted.segment("1-1", 2, None), to_account_id=person.id)
    answer = replace(planted.segment("1-3", 6, None), in_reply_to="1-2", to_account_id=person.id)
    await host.spool(
        tenant_id,
        replace(hello, text=f"Hello {NAME}!"),
        replace(planted.segment("1-2", 4, person), text=SENTENCE),
        replace(answer, text=f"You said that {SENTENCE}."),
        replace(planted.segment("1-4", 8, classmate), text=OTHER),
    )
    await host.drain()
    payload = {"session_id": str(session_id), "account_id": str(person.id), "text": SENTENCE}
    drain = await create_pool(database.dsn("bodh_drain"), max_size=1)
    async with tenant_tx(drain, tenant_id) as db:
        await insert_dead_letter(
            db, tenant_id, kind="segment", entry_key="d", payload=payload, error="x"
        )
    await drain.close()
    await host.spool(tenant_id, replace(planted.segment("1-5", 9, person), text=SENTENCE))
    await apply_webhook(planted)
    storage = open_storage(host.settings)
    for folder in (f"accounts/{person.id}", f"sessions/{session_id}"):
        await storage.put(tenant_id, f"{folder}/notes.txt", SENTENCE.encode())
    return planted


async def apply_webhook(planted: Planted) -> None:
    """The media server reports that the planted person joined."""
    inbox = LocalInbox(planted.host.settings.inbox_path)
    async with tenant_tx(planted.pool, planted.tenant_id) as db:
        room = await db.fetchval("select name from livekit_rooms")
    event = MediaEvent(
        "EV_1", JOINED, at(1), room, "RM_1", "PA_Z", planted.person.identity, joined_at=at(1)
    )
    await inbox.put_event(event)
    await WebhookIntake(inbox, planted.pool).apply_batch()
    assert await inbox.count_waiting() == 0
    await inbox.close()


async def test_nothing_of_an_erased_account_is_left(planted: Planted, tmp_path: Path) -> None:
    host, identity = planted.host, planted.person.identity
    await host.back_up(tmp_path / "before")
    assert await dump_with(tmp_path / "before", NAME, SENTENCE) == {NAME, SENTENCE}
    assert files_with(tmp_path / "before", SENTENCE, identity) >= {"spool.sqlite3", "inbox.sqlite3"}
    assert len(files_with(host.home, SENTENCE, identity)) >= 4

    code, output = await host.run_command("erase-account", str(planted.person.id), "--yes")
    assert code == 0, output

    assert await tables_with(host.database, NAME, SENTENCE) == set()
    assert files_with(host.home, NAME, identity) == set()
    assert files_with(host.home, SENTENCE) == {f"storage/{session_object(planted)}"}
    assert files_with(host.home, OTHER) == {"spool/spool.sqlite3"}
    assert files_with(host.home, str(planted.person.id)) == {"erasures/erasures.jsonl"}
    await host.back_up(tmp_path / "after")
    assert await dump_with(tmp_path / "after", NAME, SENTENCE, OTHER) == {OTHER}
    assert files_with(tmp_path / "after", NAME, identity) == set()
    assert files_with(tmp_path / "after", SENTENCE) == {f"storage/{session_object(planted)}"}


def session_object(planted: Planted) -> str:
    """The only planted text that belongs to the session and not to the person."""
    return f"{planted.tenant_id}/sessions/{planted.session_id}/notes.txt"


async def test_nothing_of_an_erased_session_is_left(planted: Planted, tmp_path: Path) -> None:
    host = planted.host
    code, output = await host.run_command("erase-session", str(planted.session_id), "--yes")
    assert code == 0, output
    assert await tables_with(host.database, SENTENCE, OTHER) == set()
    assert await tables_with(host.database, str(planted.session_id)) == {"public.erasures"}
    kept = f"storage/{planted.tenant_id}/accounts/{planted.person.id}/notes.txt"
    assert files_with(host.home, SENTENCE, OTHER) == {kept}
    assert files_with(host.home, "RM_1") == set()
    await host.back_up(tmp_path / "after")
    assert await dump_with(tmp_path / "after", SENTENCE, OTHER, NAME) == {NAME}
    assert await host.run_command("verify") == (0, "0 sessions, 0 events, 0 broken\n")


async def test_words_that_a_spool_delivers_after_the_erasure_are_refused_and_removed(
    planted: Planted,
) -> None:
    host = planted.host
    await host.run_command("erase-account", str(planted.person.id), "--yes")
    late = replace(planted.segment("1-7", 50, planted.person), text=SENTENCE)
    answer = replace(planted.segment("1-8", 51, None), text=SENTENCE, in_reply_to="1-7")
    await host.spool(planted.tenant_id, late, answer)
    await host.drain()
    assert await tables_with(host.database, SENTENCE, NAME) == set()
    assert files_with(host.home / "spool", SENTENCE, NAME) == set()


async def test_backup_contains_no_erased_words_that_a_spool_still_holds(
    planted: Planted, tmp_path: Path
) -> None:
    async with tenant_tx(planted.pool, planted.tenant_id) as db:
        await erase_words(db, planted.tenant_id, planted.session_id, planted.person.id, at(60))
    spool = tmp_path / "home" / "spool"
    assert files_with(spool, SENTENCE) != set()  # no drainer has swept it
    await planted.host.back_up(tmp_path / "backup")
    assert files_with(tmp_path / "backup", SENTENCE) == {
        f"storage/{session_object(planted)}",
        f"storage/{planted.tenant_id}/accounts/{planted.person.id}/notes.txt",
    }
    assert await dump_with(tmp_path / "backup", SENTENCE, OTHER) == {OTHER}


@pytest.mark.parametrize("kind", ["words", "account", "session"])
async def test_restored_backup_is_erased_again(planted: Planted, tmp_path: Path, kind: str) -> None:
    host = planted.host
    await host.drain()
    await host.back_up(tmp_path / "backup")
    assert SENTENCE in await dump_with(tmp_path / "backup", SENTENCE)
    await erase(planted, kind)
    new = OperatedHost(host.database, tmp_path / "new")
    await carry_notes(planted, new)

    other = f"{host.database.name}_restored"
    await host.database.postgres.admin(f"create database {other} owner bodh_owner")
    restored = Database(host.database.postgres, other)
    try:
        code, output = await new.run_command(
            "restore", str(tmp_path / "backup"), "--url", restored.dsn("postgres")
        )
        assert (code, output.splitlines()[-1]) == (0, "restored; 1 later erasures repeated")
        assert await tables_with(restored, SENTENCE) == set()
        assert (await tables_with(restored, NAME) == set()) == (kind == "account")
        assert (await tables_with(restored, OTHER) == set()) == (kind == "session")
        new_host = OperatedHost(restored, tmp_path / "new")
        await new_host.drain()
        assert files_with(new.home / "spool", SENTENCE) == set()
        assert await new_host.run_command("verify") == (0, await verified(restored))
    finally:
        await restored.postgres.drop(other)


async def verified(database: Database) -> str:
    """What `verify` prints if all logs are intact."""
    host_rows = await tables_with(database, "session.started")
    return "1 sessions, 6 events, 0 broken\n" if host_rows else "0 sessions, 0 events, 0 broken\n"


async def erase(planted: Planted, kind: str) -> None:
    if kind == "words":
        async with tenant_tx(planted.pool, planted.tenant_id) as db:
            await erase_words(
                db, planted.tenant_id, planted.session_id, planted.person.id, datetime.now(UTC)
            )
        inbox = LocalInbox(planted.host.settings.inbox_path)
        watch = ErasureWatch(planted.pool, inbox, planted.host.settings.erasures_path)
        assert await watch.append_new_notes() == 1
        assert await watch.append_new_notes() == 0
        await inbox.close()
        return
    owner = planted.person.id if kind == "account" else planted.session_id
    code, output = await planted.host.run_command(f"erase-{kind}", str(owner), "--yes")
    assert code == 0, output


async def carry_notes(planted: Planted, new: OperatedHost) -> None:
    """Takes the list of erasures to a new host, as the operator does."""
    target = new.settings.erasures_path
    target.parent.mkdir(parents=True)
    target.write_bytes(planted.host.settings.erasures_path.read_bytes())


async def test_migration_repeats_erasures_that_a_server_restored_by_itself(
    planted: Planted,
) -> None:
    """A server's own backup brings the rows back, and takes the record of their erasure away."""
    host = planted.host
    await erase(planted, "words")
    superuser = await asyncpg.connect(host.database.dsn("postgres"))
    await superuser.execute("delete from erasures; delete from erased_segments")
    await superuser.close()
    await host.spool(
        planted.tenant_id, replace(planted.segment("1-9", 3, planted.person), text=SENTENCE)
    )
    await host.drain()
    assert "public.transcript_segments" in await tables_with(host.database, SENTENCE)
    code, output = await host.run_command("migrate")
    assert (code, output.splitlines()[-1]) == (0, "1 erasures repeated after a restore")
    assert await tables_with(host.database, SENTENCE) == set()
    code, output = await host.run_command("migrate")
    assert "repeated" not in output


async def test_command_that_erases_nothing_says_why(planted: Planted) -> None:
    for arguments, message in (
        (("erase-account", "nobody", "--yes"), "no account is called nobody"),
        (("erase-account", f"{NAME}@school"), "pass --yes"),
        (("erase-account", f"{NAME}@school", "--tenant", "none", "--yes"), "no tenant none"),
        (("erase-session", "nothing", "--yes"), "is not the id of a session"),
        (("erase-session", "00000000-0000-4000-8000-000000000001", "--yes"), "no session"),
    ):
        code, output = await planted.host.run_command(*arguments)
        assert (code, message in output) == (1, True), arguments
    assert "public.accounts" in await tables_with(planted.host.database, NAME)


async def test_unusable_spool_is_named_and_erased_once_it_can_be_read(planted: Planted) -> None:
    host, spool = planted.host, planted.host.settings.spool_path
    kept = spool.read_bytes()
    spool.write_bytes(b"not a database, but as long as one" * 1000)
    code, output = await host.run_command("erase-account", str(planted.person.id), "--yes")
    assert code == 1
    assert "erased from the database" in output
    assert str(spool.parent) in output
    assert await tables_with(host.database, NAME) == set()
    spool.write_bytes(kept)
    await host.drain()
    assert files_with(host.home / "spool", SENTENCE) == set()


async def test_running_session_is_not_erased(planted: Planted) -> None:
    async with tenant_tx(planted.pool, planted.tenant_id) as db:
        await db.execute("update sessions set status = 'active', ended_at = null")
    code, output = await planted.host.run_command("erase-session", str(planted.session_id), "--yes")
    assert (code, "is running" in output) == (1, True)


async def test_watcher_removes_an_erased_person_from_its_inbox(planted: Planted) -> None:
    """The command ran on another host, which has its own inbox."""
    host, other = planted.host, OperatedHost(planted.host.database, planted.host.home / "other")
    await other.run_command("erase-account", str(planted.person.id), "--yes")
    assert files_with(host.home / "inbox", planted.person.identity) != set()
    inbox = LocalInbox(host.settings.inbox_path)
    pool = await create_pool(host.database.dsn("bodh_watch"), max_size=1)
    watch = ErasureWatch(pool, inbox, host.settings.erasures_path)
    await watch.append_new_notes()
    await watch.erase_strangers_in_inbox()
    await pool.close()
    await inbox.close()
    assert files_with(host.home / "inbox", planted.person.identity) == set()
    assert files_with(host.home / "erasures", str(planted.person.id)) == {"erasures.jsonl"}


async def test_account_is_erased_by_its_subject_with_the_secrets_of_the_jobs_alone(
    planted: Planted,
) -> None:
    host = planted.host
    del host.env["DATABASE_OWNER_URL"]
    host.env |= {"BODH_ENV": "production", "DATABASE_URL": "", "STORAGE_SECRET": "s"}
    code, output = await planted.host.run_command("erase-account", f"{NAME}@school", "--yes")
    assert code == 0, output
    assert await tables_with(planted.host.database, NAME) == set()
