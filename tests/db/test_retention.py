"""What is older than it may be kept is removed at night, and counted."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from obstore.store import MemoryStore

from db import Connection, Pool, acquire, create_pool, tenant_tx
from db.accounts import upsert_signed_in_account
from db.queue import enqueue_job, mark_job_started
from db.retention import KINDS, Removal, RetentionKind, list_removals, update_days
from db.storage import Storage
from db.tenants import ensure_tenant
from db.transcripts import insert_segments
from jobs.retention import remove_old_data
from jobs.work import JobResources, Work
from protocol import Role
from tests.conftest import Database
from tests.db.host_parts import OperatedHost
from tests.db.job_parts import running, until_ended
from tests.db.rows import make_learner, make_session, segment

DAYS: dict[RetentionKind, int] = {
    "transcripts": 10, "sessions": 20, "accounts": 30, "dead_letters": 5, "access_log": 3,
}  # fmt: skip
NIGHT = datetime(2027, 3, 4, 3, 23, tzinfo=UTC)


class School:
    """A tenant with things of different ages, and the job that removes the old ones."""

    def __init__(self, pool: Pool, jobs: Pool, superuser: Connection, tenant_id: UUID) -> None:
        self.pool = pool
        self.tenant_id = tenant_id
        self.storage = Storage(MemoryStore())
        self._jobs = jobs
        self.superuser = superuser

    async def add_session(self, days: float, *, status: str = "completed") -> UUID:
        """A session with two segments that ended so many days before the night."""
        async with tenant_tx(self.pool, self.tenant_id) as db:
            await db.execute("update sessions set status = 'completed' where status = 'active'")
            session_id = await make_session(db, self.tenant_id)
            said = segment(session_id, "a", 1, None)
            await insert_segments(db, self.tenant_id, [said, replace(said, id="b")])
        ended_at = NIGHT - timedelta(days=days)
        await self.superuser.execute(
            """update sessions set status = $2, started_at = $3, ended_at = $4 where id = $1""",
            session_id,
            status,
            ended_at - timedelta(hours=1),
            None if status == "active" else ended_at,
        )
        await self.storage.put(self.tenant_id, f"sessions/{session_id}/sound.ogg", b"sound")
        return session_id

    async def add_account(self, name: str, days: float, role: Role = "learner") -> None:
        """An account that did nothing since so many days before the night."""
        async with tenant_tx(self.pool, self.tenant_id) as db:
            account = await make_learner(db, self.tenant_id, name)
        await self.superuser.execute(
            "update accounts set role = $2, created_at = $3, claims_at = null where id = $1",
            account.id,
            role,
            NIGHT - timedelta(days=days),
        )

    async def add_dead_letter(self, days: float) -> None:
        await self.superuser.execute(
            """insert into dead_letters (tenant_id, kind, entry_key, payload, error, created_at)
               values ($1, 'segment', $2, '{"text": "words"}', 'x', $3)""",
            self.tenant_id,
            f"{days}",
            NIGHT - timedelta(days=days),
        )

    async def add_read(self, days: float) -> None:
        await self.superuser.execute(
            """insert into access_log (tenant_id, account_id, reader_role, route, at)
               select $1, id, 'operator', 'export', $2 from accounts where name = 'Reader'""",
            self.tenant_id,
            NIGHT - timedelta(days=days),
        )

    async def run_job(self, days: dict[RetentionKind, int] = DAYS) -> None:
        async with tenant_tx(self.pool, self.tenant_id) as db:
            job_id = await enqueue_job(db, self.tenant_id, "retention", {})
            job = await mark_job_started(db, self.tenant_id, job_id)
        assert job is not None
        parts = JobResources(self._jobs, self.storage, lambda: NIGHT, days)
        await remove_old_data(Work(parts, self.tenant_id, job))

    async def removals(self) -> list[Removal]:
        async with tenant_tx(self._jobs, self.tenant_id) as db:
            return await list_removals(db, self.tenant_id, 99)

    async def column(self, query: str) -> list[object]:
        rows = await self.superuser.fetch(query + " order by 1")
        return [row[0] for row in rows]


@pytest.fixture
async def school(pool: Pool, database: Database, tenant_id: UUID) -> AsyncIterator[School]:
    jobs = await create_pool(database.dsn("bodh_jobs"), max_size=2)
    superuser = await asyncpg.connect(database.dsn("postgres"))
    yield School(pool, jobs, superuser, tenant_id)
    await jobs.close()
    await superuser.close()


async def test_words_go_before_their_session_and_a_running_one_keeps_all(school: School) -> None:
    young, old, older = [await school.add_session(days) for days in (9, 11, 21)]
    running = await school.add_session(99, status="active")
    await school.run_job()
    assert await school.column("select id from sessions") == sorted([young, old, running])
    kept = await school.column("select distinct session_id from transcript_segments")
    assert kept == sorted([young, running])
    objects = await school.storage.list_names(school.tenant_id, "sessions")
    assert [UUID(name.split("/")[1]) for name in objects] == sorted([young, old, running])
    assert older not in await school.column("select session_id from session_state_events")


async def test_learners_who_did_nothing_for_long_are_deleted_and_staff_is_not(
    school: School,
) -> None:
    await school.add_account("Young", 29)
    await school.add_account("Old", 31)
    await school.add_account("Teacher", 99, role="teacher")
    await school.run_job()
    assert await school.column("select name from accounts") == ["Teacher", "Young"]


@pytest.mark.parametrize(
    "activity",
    [
        "insert into room_learners (tenant_id, room_id, account_id, token_at)"
        " select $1, (select id from livekit_rooms), id, $2 from accounts where name = 'Old'",
        "insert into lesson_progress (tenant_id, account_id, lesson_id, last_accessed_at)"
        " select $1, id, (select min(id::text)::uuid from lessons), $2"
        " from accounts where name = 'Old'",
        "insert into auth_sessions (tenant_id, account_id, key_hash, created_at, last_seen_at,"
        " expires_at) select $1, id, sha256('x'), $2, $2, $2 from accounts where name = 'Old'",
        "update accounts set claims_at = $2 where tenant_id = $1 and name = 'Old'",
    ],
)
async def test_learner_who_did_anything_lately_is_kept(school: School, activity: str) -> None:
    await school.add_session(1)  # with a room and lessons
    await school.add_account("Old", 31)
    await school.superuser.execute(activity, school.tenant_id, NIGHT - timedelta(days=29))
    await school.run_job()
    assert await school.column("select name from accounts") == ["Old"]


async def test_what_was_removed_is_recorded_for_each_kind_and_day(school: School) -> None:
    for days in (11, 21, 22):
        await school.add_session(days)
    await school.add_account("Old", 31)
    for days in (4, 6):
        await school.add_dead_letter(days)
    await school.add_account("Reader", 1, role="teacher")
    for days in (2, 4):
        await school.add_read(days)
    await school.run_job()
    await school.add_dead_letter(7)
    await school.run_job()
    found = {one.kind: one for one in await school.removals()}
    assert {kind: one.removed for kind, one in found.items()} == {
        "transcripts": 6, "sessions": 2, "accounts": 1, "dead_letters": 2, "access_log": 1,
    }  # fmt: skip
    assert found["sessions"].older_than == NIGHT - timedelta(days=20)
    assert {one.day for one in found.values()} == {NIGHT.date()}


async def test_zero_days_keep_everything(school: School) -> None:
    await school.add_session(9999)
    await school.add_account("Old", 9999)
    await school.add_dead_letter(9999)
    await school.run_job(dict.fromkeys(KINDS, 0))
    assert await school.removals() == []
    assert len(await school.column("select id from transcript_segments")) == 2


async def test_tenant_with_its_own_rule_differs_from_the_others(
    school: School, database: Database
) -> None:
    async with acquire(school.pool) as db:
        other = await ensure_tenant(db, "other", "Other")
    for tenant_id in (school.tenant_id, other.id):
        async with tenant_tx(school.pool, tenant_id) as db:
            await upsert_signed_in_account(db, tenant_id, subject="old", name="Old", role="learner")
    await school.superuser.execute(
        "update accounts set created_at = '2020-01-01', claims_at = null"
    )
    async with tenant_tx(school._jobs, school.tenant_id) as db:
        await update_days(db, school.tenant_id, "accounts", 0)
    await school.run_job()
    assert await school.column("select tenant_id from accounts") == sorted(
        [school.tenant_id, other.id]
    )
    school.tenant_id = other.id
    await school.run_job()
    assert await school.column("select tenant_id from accounts") != [other.id]
    assert len(await school.column("select id from accounts")) == 1


async def test_more_than_a_batch_is_removed_in_one_night(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.retention.BATCH", 2)
    monkeypatch.setattr("jobs.retention.ROWS", 1)
    await school.add_account("Reader", 1, role="teacher")
    for days in range(21, 26):
        await school.add_session(days)
        await school.add_dead_letter(days)
        await school.add_read(days)
    await school.run_job()
    left = await school.column(
        "select id from sessions union all select session_id from transcript_segments"
        " union all select id from dead_letters union all select id from access_log"
    )
    assert left == []
    assert {one.kind: one.removed for one in await school.removals()} == {
        "transcripts": 10, "sessions": 5, "dead_letters": 5, "access_log": 5,
    }  # fmt: skip


async def test_nightly_job_is_queued_for_every_tenant(
    school: School, database: Database, tenant_id: UUID
) -> None:
    await school.add_dead_letter(5000)
    await school.superuser.execute(
        """insert into pgqueuer.pgqueuer_schedules (expression, entrypoint, next_run)
           values ('23 3 * * *', 'retention', now() - interval '5 hours')"""
    )
    jobs = await create_pool(database.dsn("bodh_jobs"), max_size=2)
    async with tenant_tx(jobs, tenant_id) as db:
        await update_days(db, tenant_id, "dead_letters", 30)
    async with running(database, jobs):
        await until_ended(school.pool, tenant_id, 1)
    await jobs.close()
    assert await school.column("select kind from retention_removals") == ["dead_letters"]


@pytest.mark.slow
async def test_command_shows_what_the_next_night_removes_and_sets_a_rule(
    school: School, database: Database, tmp_path: Path
) -> None:
    await school.superuser.execute(
        """insert into dead_letters (tenant_id, kind, entry_key, payload, error, created_at)
           values ($1, 'segment', 'a', '{}', 'x', now() - interval '20 days')""",
        school.tenant_id,
    )
    host = OperatedHost(database, tmp_path / "home")
    code, output = await host.run_command("retention")
    assert (code, lines_of(output)["dead_letters"]) == (0, "kept 30 days, 0 to be removed")
    assert lines_of(output)["transcripts"] == "kept 395 days, 0 to be removed"
    code, output = await host.run_command(
        "retention", "--tenant", "default", "--set", "dead_letters=7", "--set", "accounts=0"
    )
    assert lines_of(output)["dead_letters"] == "kept 7 days, 1 to be removed"
    assert lines_of(output)["accounts"] == "kept forever, 0 to be removed"
    code, output = await host.run_command(
        "retention", "--tenant", "default", "--set", "accounts=default"
    )
    assert lines_of(output)["accounts"] == "kept 1095 days, 0 to be removed"
    for wrong in (
        ["--tenant", "default", "--set", "words=3"],
        ["--tenant", "default", "--set", "accounts=36501"],
        ["--set", "accounts=3"],
        ["--tenant", "nowhere"],
    ):
        code, output = await host.run_command("retention", *wrong)
        assert code == 1


def lines_of(output: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+): (kept .*)$", output, re.MULTILINE))
