"""Two tenants: row-level security alone, predicates alone, and both together."""

import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

import db as database_package
from db import (
    Connection,
    Pool,
    access_log,
    account_settings,
    accounts,
    attendance,
    auth_sessions,
    consents,
    course_staff,
    courses,
    create_pool,
    enrollments,
    erasing,
    events,
    heard_transcripts,
    leases,
    members,
    notices,
    progress,
    queue,
    quizzes,
    rate_limits,
    restrictions,
    rooms,
    search,
    sessions,
    set_tenant,
    tenant_tx,
    tenants,
    transcripts,
    webhooks,
)
from db.event_kinds import AgentDispatched
from db.local_inbox import MediaEvent
from db.stays import ParticipantRow
from tests.conftest import Database
from tests.db.rows import CONSENT, NOW, at, make_learner, make_session, segment


@dataclass(frozen=True)
class Ids:
    """The ids of a tenant's rows, named like the parameters of db/."""

    tenant_id: UUID
    account_id: UUID
    course_id: UUID
    module_id: UUID
    lesson_id: UUID
    room_id: UUID
    session_id: UUID
    room_name: str
    identity: str
    room_names: list[str]
    identities: list[str]
    session_key: bytes


async def fill(pool: Pool, slug: str) -> Ids:
    """A tenant with a row in every table that a learner's session writes."""
    async with pool.acquire() as connection:
        tenant = await tenants.ensure_tenant(connection, slug, slug)
    async with tenant_tx(pool, tenant.id) as db:
        session_id = await make_session(db, tenant.id)
        (course,) = await courses.list_courses(db, tenant.id)
        (lesson, _) = await courses.list_outline(db, tenant.id, course.id)
        room = await rooms.ensure_room(
            db,
            tenant.id,
            name=f"{course.id}-{lesson.module_id}",
            course_id=course.id,
            module_id=lesson.module_id,
        )
        account = await make_learner(db, tenant.id, f"learner of {slug}")
        await rooms.upsert_room_learner(db, tenant.id, room.id, account.id, lesson.id)
        await enrollments.ensure_enrollment(db, tenant.id, account.id, course.id)
        await course_staff.upsert_staff_role(db, tenant.id, course.id, account.id, "teacher")
        read = [access_log.WordsRead(session_id, account.id)]
        await access_log.record_reads(db, tenant.id, None, "export", read, NOW)
        await progress.record_visit(db, tenant.id, account.id, lesson.id, NOW)
        await quizzes.start_quiz(db, tenant.id, account.id, lesson.id)
        await rate_limits.count_request(db, tenant.id, account.id, "token", 1, NOW)
        stay = ParticipantRow(session_id, "PA_1", account.id, NOW, None)
        await attendance.upsert_participants(db, tenant.id, [stay])
        await restrictions.upsert_restriction(
            db, tenant.id, session_id, account, "muted", by=account, now=NOW
        )
        await webhooks.insert_webhook_events(
            db, tenant.id, [MediaEvent("EV_1", "room_started", NOW)]
        )
        await account_settings.update_settings(db, tenant.id, account.id, {})
        provider = auth_sessions.ProviderSession("sid", "id token")
        await auth_sessions.insert_auth_session(
            db, tenant.id, account.id, slug.encode(), NOW, provider=provider
        )
        await consents.insert_consents_and_set_storing(db, tenant.id, account.id, [CONSENT], NOW)
        await notices.upsert_notice(
            db, tenant.id, host="host", name="disk_low", since=NOW, now=NOW, facts={"free_mb": 9}
        )
        job_id = await queue.enqueue_job(db, tenant.id, "prune", {})
        await queue.mark_job_started(db, tenant.id, job_id)
        await queue.mark_job_failed(db, tenant.id, job_id, 1, error="ValueError")
        erased = segment(session_id, "e", -5, account)
        await transcripts.insert_segments(db, tenant.id, [erased])
        await erasing.erase_words(db, tenant.id, session_id, account.id, at(-1))
        await transcripts.insert_segments(db, tenant.id, [segment(session_id, "s", 0, account)])
    return Ids(
        tenant.id,
        account.id,
        course.id,
        lesson.module_id,
        lesson.id,
        room.id,
        session_id,
        room.name,
        account.identity,
        [room.name],
        [account.identity],
        slug.encode(),
    )


@pytest.fixture
async def ours(pool: Pool) -> Ids:
    """The tenant that makes the calls."""
    return await fill(pool, "ours")


@pytest.fixture
async def theirs(pool: Pool) -> Ids:
    """The tenant whose rows must stay hidden."""
    return await fill(pool, "theirs")


READS: list[tuple[Any, tuple[str, ...], dict[str, Any]]] = [
    (access_log.list_reads, ("account_id",), {"limit": 5}),
    (accounts.find_account, ("account_id",), {}),
    (auth_sessions.find_account_and_touch_session, ("session_key",), {"now": NOW}),
    (course_staff.list_staff, ("course_id",), {}),
    (courses.find_lesson, ("lesson_id",), {}),
    (courses.find_module, ("course_id", "module_id"), {}),
    (courses.list_lessons, ("module_id",), {}),
    (courses.list_outline, ("course_id",), {}),
    (courses.list_passages, ("lesson_id",), {}),
    (courses.find_video_captions, ("lesson_id",), {}),
    (search.search_passages, ("course_id",), {"query": "apple"}),
    (quizzes.list_questions, ("lesson_id",), {}),
    (restrictions.find_restriction, ("room_id", "account_id"), {}),
    (restrictions.list_restrictions, ("session_id",), {}),
    (restrictions.list_identities_with_roles, ("session_id",), {"roles": ["learner"]}),
    (rooms.find_room, ("room_name",), {}),
    (rooms.find_room_by_id, ("room_id",), {}),
    (rooms.find_room_learner, ("room_id", "account_id"), {}),
    (members.find_member, ("room_id", "identity"), {}),
    (members.list_members, ("room_id", "identities"), {}),
    (sessions.find_active_session, ("room_id",), {}),
    (sessions.find_session, ("session_id",), {}),
    (events.list_events, ("session_id",), {}),
    (events.find_event_head, ("session_id",), {}),
    (accounts.list_ids_by_identity, ("identities",), {}),
    (attendance.list_attendance_durations, ("session_id",), {"now": NOW}),
    (attendance.is_session_occupied, ("session_id",), {}),
    (rooms.list_known_room_names, ("room_names",), {}),
    (transcripts.list_segments, ("session_id",), {}),
    (transcripts.list_heard_segments, ("session_id", "account_id"), {}),
    (heard_transcripts.list_conversations, ("account_id",), {}),
    (heard_transcripts.search_heard_segments, ("account_id",), {"query": "words"}),
    (members.count_sessions_with_unread_choice, ("account_id",), {"revision": 1}),
    (rooms.list_running_rooms, ("account_id",), {}),
    (consents.list_consents, ("account_id",), {"texts": [CONSENT]}),
    (attendance.list_present_names, ("session_id",), {"except_account_id": uuid4()}),
    (progress.list_modules_with_progress, ("account_id", "course_id"), {}),
]


@pytest.fixture
async def unguarded(database: Database) -> AsyncIterator[Connection]:
    """A connection that bypasses row-level security, so only the predicates protect."""
    connection = await asyncpg.connect(database.dsn("postgres"))
    yield connection
    await connection.close()


async def call(db: Connection, read: Any, tenant_id: UUID, ids: Ids) -> Any:
    """Runs one of `READS` as a tenant, with ids of any tenant."""
    function, names, extra = read
    return await function(db, tenant_id, *(getattr(ids, name) for name in names), **extra)


async def test_no_read_returns_rows_of_another_tenant(
    pool: Pool, unguarded: Connection, ours: Ids, theirs: Ids
) -> None:
    for read in READS:
        async with tenant_tx(pool, ours.tenant_id) as db:
            assert await call(db, read, ours.tenant_id, ours), read[0].__name__
            assert not await call(db, read, ours.tenant_id, theirs), read[0].__name__
            # row-level security alone: the statement names the other tenant
            assert not await call(db, read, theirs.tenant_id, theirs), read[0].__name__
        # predicates alone: the role bypasses row-level security
        assert not await call(unguarded, read, ours.tenant_id, theirs), read[0].__name__


async def test_no_write_reaches_another_tenant(pool: Pool, ours: Ids, theirs: Ids) -> None:
    async def refused(function: Any, *arguments: Any, **options: Any) -> None:
        try:
            async with tenant_tx(pool, ours.tenant_id) as db:
                assert not await function(db, ours.tenant_id, *arguments, **options)
        except (database_package.NotFound, asyncpg.ForeignKeyViolationError):
            pass

    foreign = (theirs.account_id, theirs.lesson_id)
    before = await dump(pool, theirs.tenant_id)
    await refused(leases.update_heartbeat, theirs.session_id, 0, NOW)
    await refused(sessions.end_session, theirs.session_id, NOW)
    await refused(leases.begin_next_epoch, theirs.session_id, NOW)
    await refused(leases.take_dispatch, theirs.session_id, 1, NOW)
    await refused(leases.select_dispatch, theirs.session_id)
    await refused(leases.clear_dispatch, theirs.session_id)
    await refused(leases.end_leased_session, theirs.session_id, 0, NOW)
    await refused(sessions.record_resumed_room_sid, theirs.session_id, "RM_2", NOW)
    await refused(events.append_event, theirs.session_id, AgentDispatched(epoch=1), NOW)
    await refused(rooms.update_opener, theirs.room_id, ours.account_id)
    await refused(rooms.update_learner_lesson, theirs.room_id, theirs.account_id, ours.lesson_id)
    await refused(rooms.record_greeting, theirs.room_id, theirs.account_id, NOW)
    await refused(rooms.upsert_room_learner, theirs.room_id, ours.account_id, None)
    await refused(enrollments.ensure_enrollment, theirs.account_id, theirs.course_id)
    read = access_log.WordsRead(theirs.session_id, theirs.account_id)
    await refused(access_log.record_reads, None, "export", [read], NOW)
    await refused(course_staff.upsert_staff_role, theirs.course_id, ours.account_id, "teacher")
    await refused(course_staff.delete_staff, theirs.course_id, theirs.account_id)
    await refused(rooms.take_room_lock, theirs.room_id, theirs.account_id, timedelta(seconds=9))
    await refused(progress.record_visit, *foreign, NOW)
    await refused(progress.update_progress, *foreign, completed=True, now=NOW)
    said = segment(theirs.session_id, "foreign", 0, None)
    await refused(transcripts.insert_segments, [said])
    stay = ParticipantRow(theirs.session_id, "PA_2", ours.account_id, NOW, None)
    await refused(attendance.upsert_participants, [stay])
    await refused(attendance.reconcile_stays, theirs.session_id, [], at(60))
    await refused(attendance.close_stays_of_ended_sessions)
    await refused(erasing.erase_words, theirs.session_id, theirs.account_id, NOW)
    await refused(auth_sessions.delete_auth_session, theirs.session_key)
    await refused(auth_sessions.delete_auth_sessions_of, theirs.account_id)
    await refused(accounts.update_blocked_at, theirs.account_id, NOW)
    await refused(accounts.update_given_role, theirs.account_id, "admin")
    await refused(account_settings.update_settings, theirs.account_id, {"theme": "dark"})
    await refused(consents.insert_consents_and_set_storing, theirs.account_id, [CONSENT], NOW)
    await refused(consents.withdraw_consents, theirs.account_id, ["tutor"], NOW)
    assert await dump(pool, theirs.tenant_id) == before


async def dump(pool: Pool, tenant_id: UUID) -> dict[str, list[str]]:
    """All rows of a tenant by table, as text."""
    async with tenant_tx(pool, tenant_id) as db:
        tables = await db.fetch(
            "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid "
            "where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' "
            "and a.attname = 'tenant_id' and has_table_privilege(c.oid, 'select')"
        )
        return {
            table: [row[0] for row in await db.fetch(f"select t::text from {table} t order by 1")]  # noqa: S608
            for (table,) in tables
        }


async def test_every_table_that_the_application_reads_has_a_row(pool: Pool, ours: Ids) -> None:
    assert [name for name, rows in (await dump(pool, ours.tenant_id)).items() if not rows] == []


async def test_without_a_tenant_no_row_is_visible(database: Database, ours: Ids) -> None:
    pool = await create_pool(database.dsn())
    async with pool.acquire() as connection:
        assert await connection.fetch("select id from courses") == []
        async with connection.transaction():
            await set_tenant(connection, ours.tenant_id)
            assert len(await connection.fetch("select id from courses")) == 1
        assert await connection.fetch("select id from courses") == []
    await pool.close()


def test_every_function_of_a_table_takes_connection_and_tenant_first() -> None:
    modules = (
        access_log,
        accounts,
        course_staff,
        courses,
        enrollments,
        progress,
        quizzes,
        rate_limits,
        restrictions,
        rooms,
        search,
        sessions,
    )
    tables = (
        account_settings,
        attendance,
        consents,
        erasing,
        events,
        heard_transcripts,
        transcripts,
        webhooks,
    )
    for module in (*modules, *tables):
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                names = list(inspect.signature(function).parameters)[:2]
                assert names == ["db", "tenant_id"] or name == "lock_room", name
