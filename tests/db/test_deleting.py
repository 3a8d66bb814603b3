"""Deleting an account or a session leaves no row of it, in any table, now or later."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from db import Connection, NotFound, Pool, create_pool, tenant_tx
from db.accounts import Account, find_account, upsert_signed_in_account
from db.attendance import upsert_participants
from db.deleting import delete_account, delete_session
from db.erasing import list_erased_words
from db.erasures import Erasure, new_erasure
from db.event_chain import first_broken_seq
from db.events import find_event_head, list_events
from db.members import list_members
from db.rooms import find_room_by_id, update_opener
from db.sessions import end_session, find_session
from db.stays import ParticipantRow
from db.transcripts import Segment, insert_dead_letter, insert_segments, list_segments
from tests.conftest import Database
from tests.db.host_parts import tables_with
from tests.db.rows import NOW, at, make_learner, segment
from tests.db.test_tenants import Ids, fill

# columns with an id that no foreign key deletes or clears
WITHOUT_FOREIGN_KEY = {
    ("erasures", "account_id"),  # ids of what is gone; they refer to nothing
    ("erasures", "session_id"),
    ("transcript_segments", "account_id"),  # deleted in db/deleting.py
    ("transcript_segments", "to_account_id"),
    ("transcript_segments", "lesson_id"),  # not of a person
    ("livekit_rooms", "course_id"),
    ("livekit_rooms", "locked_by"),  # random
    ("quiz_runs", "pending_question_id"),
}
LOOSE = """
select c.relname as table, a.attname as column from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
  and a.atttypid = 'uuid'::regtype and a.attname not in ('id', 'tenant_id')
  and not exists (select from pg_constraint f where f.contype = 'f' and f.conrelid = c.oid
                  and a.attnum = any (f.conkey))
"""
BLOCKING = """
select conrelid::regclass::text from pg_constraint
where contype = 'f' and confdeltype not in ('c', 'n')
  and confrelid in ('accounts'::regclass, 'sessions'::regclass, 'session_event_heads'::regclass)
"""


async def test_every_column_with_an_account_or_a_session_is_deleted_with_it(
    db: Connection,
) -> None:
    """If this fails for a new table, add `on delete cascade`, or code in db/deleting.py."""
    found = {(row["table"], row["column"]) for row in await db.fetch(LOOSE)}
    assert found == WITHOUT_FOREIGN_KEY
    assert await db.fetch(BLOCKING) == []


class Deletion:
    """A tenant with a row in every table, and the role that may delete."""

    def __init__(
        self, database: Database, pool: Pool, deleter: Pool, superuser: Connection, ids: Ids
    ) -> None:
        self.pool = pool
        self.superuser = superuser
        self.ids = ids
        self._database = database
        self._deleter = deleter

    async def account(self) -> Account:
        async with tenant_tx(self.pool, self.ids.tenant_id) as db:
            account = await find_account(db, self.ids.tenant_id, self.ids.account_id)
        assert account is not None
        return account

    async def delete_account(self) -> Erasure:
        erasure = new_erasure(
            self.ids.tenant_id, "account", at(100), account_id=self.ids.account_id
        )
        async with tenant_tx(self._deleter, self.ids.tenant_id) as db:
            await delete_account(db, self.ids.tenant_id, erasure)
        return erasure

    async def delete_session(self) -> Erasure:
        async with tenant_tx(self.pool, self.ids.tenant_id) as db:
            await end_session(db, self.ids.tenant_id, self.ids.session_id, at(90))
        erasure = new_erasure(
            self.ids.tenant_id, "session", at(100), session_id=self.ids.session_id
        )
        async with tenant_tx(self._deleter, self.ids.tenant_id) as db:
            await delete_session(db, self.ids.tenant_id, erasure)
        return erasure

    async def store(self, *segments: Segment) -> None:
        async with tenant_tx(self.pool, self.ids.tenant_id) as db:
            await insert_segments(db, self.ids.tenant_id, segments)

    async def stored(self) -> list[str]:
        async with tenant_tx(self.pool, self.ids.tenant_id) as db:
            found = await list_segments(db, self.ids.tenant_id, self.ids.session_id)
        return [one.id for one in found]

    async def tables_with(self, *texts: str) -> set[str]:
        return await tables_with(self._database, *texts)


@pytest.fixture
async def deletion(pool: Pool, database: Database) -> AsyncIterator[Deletion]:
    deleter = await create_pool(database.dsn("bodh_jobs"), max_size=1)
    superuser = await asyncpg.connect(database.dsn("postgres"))
    ids = await fill(pool, "school")
    async with tenant_tx(pool, ids.tenant_id) as db:
        await update_opener(db, ids.tenant_id, ids.room_id, ids.account_id)
    yield Deletion(database, pool, deleter, superuser, ids)
    await deleter.close()
    await superuser.close()


async def test_nothing_of_a_deleted_account_is_left_in_any_table(deletion: Deletion) -> None:
    account = await deletion.account()
    traces = (str(account.id), account.name, str(account.subject), account.identity)
    assert len(await deletion.tables_with(str(account.id))) > 8
    await deletion.delete_account()
    assert await deletion.tables_with(*traces) == {
        "public.erasures",  # the id of nobody
        "public.session_state_events",  # the identity of nobody
    }
    assert await deletion.tables_with(*traces[1:3]) == set()


async def test_log_of_a_deleted_account_is_intact(deletion: Deletion) -> None:
    await deletion.delete_account()
    ids = deletion.ids
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        events = await list_events(db, ids.tenant_id, ids.session_id)
        head = await find_event_head(db, ids.tenant_id, ids.session_id)
        room = await find_room_by_id(db, ids.tenant_id, ids.room_id)
    assert first_broken_seq(events, head) is None
    assert ids.identity in [event.payload.get("identity") for event in events]
    assert room is not None
    assert room.opener_account_id is None


async def test_nothing_of_a_deleted_session_is_left_in_any_table(deletion: Deletion) -> None:
    session_id = str(deletion.ids.session_id)
    assert len(await deletion.tables_with(session_id)) > 5
    await deletion.delete_session()
    assert await deletion.tables_with(session_id) == {"public.erasures"}


async def test_other_people_keep_their_words_and_lose_what_the_tutor_said_to_the_deleted_one(
    deletion: Deletion,
) -> None:
    ids, amina = deletion.ids, await deletion.account()
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        badr = await make_learner(db, ids.tenant_id, "Badr")
    tutor = segment(ids.session_id, "t", 20, None)
    await deletion.store(
        segment(ids.session_id, "b", 10, badr),
        replace(tutor, id="answer", in_reply_to="s"),
        replace(tutor, id="second sentence", in_reply_to="s"),
        replace(tutor, id="greeting", to_account_id=amina.id),
        replace(tutor, id="to Badr", to_account_id=badr.id, in_reply_to="b"),
        replace(tutor, id="greeting of Badr", to_account_id=badr.id),
        replace(tutor, id="answer to Badr, whose account was not recorded", in_reply_to="b"),
    )
    await deletion.delete_account()
    assert set(await deletion.stored()) == {
        "b",
        "to Badr",
        "greeting of Badr",
        "answer to Badr, whose account was not recorded",
    }


@pytest.mark.parametrize("name", ["Will", "User", "Amina Haddad", "The"])
async def test_lines_to_the_deleted_person_are_deleted_however_they_are_called(
    deletion: Deletion, name: str
) -> None:
    """Lines to others stay, even if their words contain the name."""
    ids = deletion.ids
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        await upsert_signed_in_account(
            db, ids.tenant_id, subject="dev:learner of school", name=name, role="learner"
        )
        badr = await make_learner(db, ids.tenant_id, "Badr")
    given, tutor = name.split()[0], segment(ids.session_id, "t", 20, None)
    texts = (f"Hello {name}!", f"Hello {given}!", f"you, {given.lower()}", "no name")
    await deletion.store(
        segment(ids.session_id, "b", 10, badr),
        *(replace(tutor, id=text, text=text, to_account_id=ids.account_id) for text in texts),
        *(
            replace(tutor, id=f"to Badr: {text}", text=text, to_account_id=badr.id)
            for text in texts
        ),
        replace(tutor, id="The user will see", text="The user will see", in_reply_to="b"),
    )
    await deletion.delete_account()
    kept = {f"to Badr: {text}" for text in texts}
    assert set(await deletion.stored()) == {"b", "The user will see", *kept}


async def test_of_two_people_with_one_name_the_other_keeps_everything(deletion: Deletion) -> None:
    ids, amina = deletion.ids, await deletion.account()
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        other = await upsert_signed_in_account(
            db, ids.tenant_id, subject="dev:other", name=amina.name, role="learner"
        )
    tutor = segment(ids.session_id, "t", 20, None)
    greeting = f"Hello {amina.name}!"
    await deletion.store(
        segment(ids.session_id, "other", 10, other),
        replace(tutor, id="to her", text=greeting, to_account_id=amina.id),
        replace(tutor, id="to the other", text=greeting, to_account_id=other.id),
    )
    await deletion.delete_account()
    assert set(await deletion.stored()) == {"other", "to the other"}


async def test_line_whose_listener_was_not_recorded_is_deleted_with_people_who_were_there(
    deletion: Deletion,
) -> None:
    ids, amina = deletion.ids, await deletion.account()
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        left = ParticipantRow(ids.session_id, "PA_1", amina.id, NOW, at(30))
        await upsert_participants(db, ids.tenant_id, [left])
    greeting = segment(ids.session_id, "heard", 29, None)
    await deletion.store(greeting, replace(greeting, id="later", started_at=at(31)))
    await deletion.delete_account()
    assert await deletion.stored() == ["later"]


async def test_words_of_a_deleted_account_that_arrive_late_are_refused(deletion: Deletion) -> None:
    ids, amina = deletion.ids, await deletion.account()
    await deletion.delete_account()
    tutor = segment(ids.session_id, "t", 220, None)
    late = segment(ids.session_id, "late", 200, amina)  # long after: they were still connected
    await deletion.store(late, replace(tutor, to_account_id=amina.id))
    await deletion.store(replace(tutor, id="answer", in_reply_to="late"))
    stay = ParticipantRow(ids.session_id, "PA_9", amina.id, NOW, None)
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        await upsert_participants(db, ids.tenant_id, [stay])
    assert await deletion.stored() == []
    assert str(amina.id) not in await participants(deletion)


async def participants(deletion: Deletion) -> str:
    rows = await deletion.superuser.fetch("select p::text from livekit_participants p")
    return str([row for (row,) in rows])


async def test_words_of_a_deleted_session_that_arrive_late_are_refused(
    deletion: Deletion, database: Database
) -> None:
    ids, amina = deletion.ids, await deletion.account()
    await deletion.delete_session()
    await deletion.store(segment(ids.session_id, "late", 200, amina))
    drain = await create_pool(database.dsn("bodh_drain"), max_size=1)
    async with tenant_tx(drain, ids.tenant_id) as db:
        stay = ParticipantRow(ids.session_id, "PA_9", amina.id, NOW, None)
        await upsert_participants(db, ids.tenant_id, [stay])
        payload = {"session_id": str(ids.session_id), "text": "late"}
        await insert_dead_letter(
            db, ids.tenant_id, kind="segment", entry_key="late", payload=payload, error="x"
        )
    await drain.close()
    assert await deletion.tables_with(str(ids.session_id)) == {"public.erasures"}


async def test_agents_are_told_of_a_deleted_account_by_session(deletion: Deletion) -> None:
    ids = deletion.ids
    await deletion.delete_account()
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        erased = await list_erased_words(db, ids.tenant_id, [ids.session_id])
    assert [(one.account_id, one.erased_at) for one in erased] == [(ids.account_id, at(100))]
    assert set(erased[0].segment_ids) == {"e", "s"}


async def test_account_deleted_twice_is_not_found(deletion: Deletion) -> None:
    await deletion.delete_account()
    with pytest.raises(NotFound):
        await deletion.delete_account()


async def test_log_of_a_session_that_was_not_erased_cannot_be_deleted(
    deletion: Deletion, database: Database
) -> None:
    for role in ("postgres", "bodh_owner", "bodh_jobs"):
        db = await asyncpg.connect(database.dsn(role))
        await db.execute(
            "select set_config('app.tenant_id', $1, false)", str(deletion.ids.tenant_id)
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute("delete from sessions")
        await db.close()


async def test_deleting_an_account_keeps_those_of_other_tenants(
    deletion: Deletion, pool: Pool
) -> None:
    other = await fill(pool, "other")
    before = await tenant_rows(deletion, other.tenant_id)
    await deletion.delete_account()
    await deletion.delete_session()
    assert await tenant_rows(deletion, other.tenant_id) == before


async def tenant_rows(deletion: Deletion, tenant_id: UUID) -> list[str]:
    tables = await deletion.superuser.fetch(
        """select attrelid::regclass::text as name from pg_attribute
           join pg_class c on c.oid = attrelid
           where attname = 'tenant_id' and c.relkind = 'r'"""
    )
    rows = [
        f"{name} {row}"
        for (name,) in tables
        for (row,) in await deletion.superuser.fetch(
            f"select t::text from {name} t where tenant_id = $1",  # noqa: S608
            tenant_id,
        )
    ]
    return sorted(rows)


async def test_running_session_still_exists_after_its_learner_was_deleted(
    deletion: Deletion,
) -> None:
    await deletion.delete_account()
    ids = deletion.ids
    async with tenant_tx(deletion.pool, ids.tenant_id) as db:
        session = await find_session(db, ids.tenant_id, ids.session_id)
        assert session is not None
        assert session.status == "active"
        assert await list_members(db, ids.tenant_id, ids.room_id) == []


async def test_statistics_of_the_server_contain_no_words(deletion: Deletion) -> None:
    said = segment(deletion.ids.session_id, "p", 30, await deletion.account())
    await deletion.store(*(replace(said, id=f"p{n}", text="planted words") for n in range(20)))
    await deletion.superuser.execute("analyze transcript_segments, accounts, dead_letters")
    kept = await deletion.superuser.fetch(
        "select tablename || '.' || attname from pg_stats s where s::text ~ 'plant|learner of'"
    )
    assert [name for (name,) in kept] == []
