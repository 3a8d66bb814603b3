"""Erased words are gone from rows, dead letters and spool files, and do not come back."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import TypeAdapter

from agent.durable.drain import Drainer
from agent.durable.spool import Entry, Spool
from db import NotFound, Pool, create_pool, tenant_tx
from db.accounts import Account
from db.erasing import erase_words
from db.transcripts import Segment, insert_dead_letter, insert_segments, list_segments
from tests.conftest import Database
from tests.db.rows import at, make_learner, make_session, segment

PLANTED = "my grandmother keeps bees"
_segments = TypeAdapter(Segment)


class Talk:
    """A session of two learners and the tutor, with a spool and a drainer with its real role."""

    def __init__(self, tenant_id: UUID, pool: Pool, drain: Pool, path: Path) -> None:
        self.tenant_id = tenant_id
        self.pool = pool
        self.path = path
        self.spool = Spool(path)
        self.drainer = Drainer(self.spool, drain)
        self.session_id: UUID
        self.amina: Account
        self.badr: Account

    async def say(self, key: str, who: Account | None, **changes: Any) -> None:
        """Spools a segment that began at the second in its key."""
        said = replace(segment(self.session_id, key, float(key[1:]), who), **changes)
        payload = _segments.dump_python(said, mode="json")
        await self.spool.write_entry(
            Entry(self.tenant_id, self.session_id, "segment", key, payload)
        )

    async def drain(self) -> None:
        """Drains everything, then sweeps the spool."""
        while await self.drainer.drain_batch():
            pass
        await self.drainer.sweep_spool()

    async def erase(self, who: Account, second: float) -> int:
        async with tenant_tx(self.pool, self.tenant_id) as db:
            return await erase_words(db, self.tenant_id, self.session_id, who.id, at(second))

    async def stored(self) -> list[str]:
        async with tenant_tx(self.pool, self.tenant_id) as db:
            found = await list_segments(db, self.tenant_id, self.session_id)
        return [one.id for one in found]

    def on_disk(self) -> bool:
        """Whether the planted words are in a file of the spool, including its log."""
        return any(PLANTED.encode() in file.read_bytes() for file in self.path.parent.iterdir())


@pytest.fixture
async def talk(pool: Pool, database: Database, tenant_id: UUID, tmp_path: Path) -> Any:
    """Amina, Badr and the tutor, before anything was said."""
    drain = await create_pool(database.dsn("bodh_drain"))
    talk = Talk(tenant_id, pool, drain, tmp_path / "spool" / "spool.sqlite3")
    async with tenant_tx(pool, tenant_id) as db:
        talk.session_id = await make_session(db, tenant_id)
        talk.amina, talk.badr = [await make_learner(db, tenant_id, n) for n in ("Amina", "Badr")]
    yield talk
    await talk.spool.close()
    await drain.close()


async def test_erased_words_and_their_answers_are_gone_everywhere(
    talk: Talk, database: Database
) -> None:
    await talk.say("a1", talk.amina, text=PLANTED)
    await talk.say("t2", None, text=f"so {PLANTED}", in_reply_to="a1")
    await talk.say("b3", talk.badr)
    await talk.say("t4", None, in_reply_to="b3")
    await talk.drain()
    assert (await talk.stored(), talk.on_disk()) == (["a1", "t2", "b3", "t4"], True)
    assert await talk.erase(talk.amina, 10) == 1
    await talk.drain()
    assert (await talk.stored(), talk.on_disk()) == (["b3", "t4"], False)
    assert await planted_in_postgres(database) == []


async def test_late_drain_does_not_bring_erased_words_back(talk: Talk, database: Database) -> None:
    await talk.say("a1", talk.amina, text=PLANTED)
    assert await talk.erase(talk.amina, 10) == 0
    await talk.say("t2", None, text=PLANTED, in_reply_to="a1")
    await talk.drain()
    await talk.say("t12", None, text=PLANTED, in_reply_to="a1")
    await talk.drain()
    assert (await talk.stored(), talk.on_disk()) == ([], False)
    assert await planted_in_postgres(database) == []


async def test_what_is_said_after_erasing_is_kept(talk: Talk) -> None:
    await talk.say("a1", talk.amina, text=PLANTED)
    await talk.drain()
    await talk.erase(talk.amina, 10)
    await talk.say("a11", talk.amina)
    await talk.say("t12", None, in_reply_to="a11")
    await talk.drain()
    assert (await talk.stored(), talk.on_disk()) == (["a11", "t12"], False)


async def test_second_erase_covers_what_was_said_since_the_first(talk: Talk) -> None:
    for second in (1, 11):
        await talk.say(f"a{second}", talk.amina, text=PLANTED)
        await talk.drain()
        assert await talk.erase(talk.amina, second + 5) == 1
    await talk.drain()
    assert (await talk.stored(), talk.on_disk()) == ([], False)


async def test_dead_letters_contain_no_erased_words(talk: Talk, database: Database) -> None:
    async def drop(key: str) -> None:
        said = segment(talk.session_id, key, 1, talk.amina)
        payload = _segments.dump_python(replace(said, text=PLANTED), mode="json")
        drain = await create_pool(database.dsn("bodh_drain"))
        async with tenant_tx(drain, talk.tenant_id) as db:
            await insert_dead_letter(
                db, talk.tenant_id, kind="segment", entry_key=key, payload=payload, error="why"
            )
        await drain.close()

    await drop("a1")
    assert len(await planted_in_postgres(database)) == 1
    await talk.erase(talk.amina, 10)
    await drop("a2")
    assert await planted_in_postgres(database) == []


async def test_dead_letters_are_erased_too(talk: Talk, database: Database) -> None:
    await talk.erase(talk.amina, 0)
    odd = {"account_id": str(talk.amina.id), "session_id": str(talk.session_id), "text": PLANTED}
    await talk.spool.write_entry(Entry(talk.tenant_id, talk.session_id, "segment", "odd", odd))
    await talk.drain()
    assert (await talk.stored(), talk.on_disk()) == ([], False)
    assert await planted_in_postgres(database) == []


async def test_erasing_in_one_session_keeps_the_others(talk: Talk) -> None:
    async with tenant_tx(talk.pool, talk.tenant_id) as db:
        await db.execute("update sessions set status = 'completed'")
        other = await make_session(db, talk.tenant_id)
        said = segment(other, "a1", 1, talk.amina)
        await insert_segments(db, talk.tenant_id, [said])
    await talk.say("a1", talk.amina)
    await talk.drain()
    await talk.erase(talk.amina, 10)
    async with tenant_tx(talk.pool, talk.tenant_id) as db:
        assert await list_segments(db, talk.tenant_id, other) == [said]
    assert await talk.stored() == []


async def test_another_tenant_cannot_erase(talk: Talk, database: Database) -> None:
    await talk.say("a1", talk.amina)
    await talk.drain()
    db = await asyncpg.connect(database.dsn("postgres"))
    other = await db.fetchval("insert into tenants (slug, name) values ('o', 'o') returning id")
    await db.close()
    with pytest.raises(NotFound):
        async with tenant_tx(talk.pool, other) as held:
            await erase_words(held, other, talk.session_id, talk.amina.id, at(10))
    assert await talk.stored() == ["a1"]


async def planted_in_postgres(database: Database) -> list[str]:
    """The tables with a row that contains the planted words."""
    db = await asyncpg.connect(database.dsn("postgres"))
    tables = await db.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    found = [
        name
        for (name,) in tables
        if await db.fetchval(f"select exists (select from {name} t where t::text ~ $1)", PLANTED)  # noqa: S608
    ]
    await db.close()
    return found
