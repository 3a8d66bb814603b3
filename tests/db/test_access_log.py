"""Who has read whose words is recorded, even if one of them is erased at that moment."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from db import Connection, Pool, create_pool, set_tenant, tenant_tx
from db.access_log import WordsRead, list_reads, record_reads
from db.accounts import Account
from db.deleting import delete_account, delete_session
from db.erasures import Erasure, new_erasure
from db.sessions import end_session
from tests.conftest import Database
from tests.db.rows import at, make_learner
from tests.db.test_tenants import Ids, fill


class School:
    """Amina has said something in a session that has ended, and Badr reads it."""

    def __init__(self, pool: Pool, deleter: Pool, ids: Ids, badr: Account) -> None:
        self.pool = pool
        self.deleter = deleter
        self.ids = ids
        self.badr = badr

    def erasure(self, who: str) -> Erasure:
        tenant_id = self.ids.tenant_id
        if who == "session":
            return new_erasure(tenant_id, "session", at(100), session_id=self.ids.session_id)
        account_id = self.badr.id if who == "reader" else self.ids.account_id
        return new_erasure(tenant_id, "account", at(100), account_id=account_id)

    async def erase(self, who: str) -> None:
        erase = delete_session if who == "session" else delete_account
        async with tenant_tx(self.deleter, self.ids.tenant_id) as db:
            await erase(db, self.ids.tenant_id, self.erasure(who))

    async def read(self) -> None:
        async with tenant_tx(self.pool, self.ids.tenant_id) as db:
            await self._record(db)

    async def read_with(self, db: Connection) -> None:
        async with db.transaction():
            await set_tenant(db, self.ids.tenant_id)
            await self._record(db)

    async def _record(self, db: Connection) -> None:
        words = [WordsRead(self.ids.session_id, self.ids.account_id)]
        await record_reads(db, self.ids.tenant_id, self.badr, "transcript", words, at(99))

    async def recorded(self) -> list[tuple[str | None, bool]]:
        """Of each read by Badr: his name, and whether the session is known."""
        async with tenant_tx(self.pool, self.ids.tenant_id) as db:
            reads = await list_reads(db, self.ids.tenant_id, self.ids.account_id, 10)
        badr = [one for one in reads if one.route == "transcript"]
        return [(one.reader_name, one.session_id is not None) for one in badr]


@pytest.fixture
async def school(pool: Pool, database: Database) -> AsyncIterator[School]:
    ids = await fill(pool, "school")
    async with tenant_tx(pool, ids.tenant_id) as db:
        badr = await make_learner(db, ids.tenant_id, "Badr")
        await end_session(db, ids.tenant_id, ids.session_id, at(90))
    deleter = await create_pool(database.dsn("bodh_jobs"), max_size=1)
    yield School(pool, deleter, ids, badr)
    await deleter.close()


LEFT = {"account": [], "reader": [(None, True)], "session": [("Badr", False)]}


@pytest.mark.parametrize(("who", "recorded"), LEFT.items())
async def test_read_is_recorded_without_what_was_erased_meanwhile(
    school: School, who: str, recorded: list[tuple[str | None, bool]]
) -> None:
    await school.erase(who)
    await school.read()
    assert await school.recorded() == recorded


@pytest.mark.parametrize(("who", "recorded"), LEFT.items())
async def test_read_waits_for_an_erasure_that_runs(
    school: School, database: Database, who: str, recorded: list[tuple[str | None, bool]]
) -> None:
    reader = await asyncpg.connect(database.dsn("bodh_app"))  # no statement_timeout
    erase = delete_session if who == "session" else delete_account
    async with tenant_tx(school.deleter, school.ids.tenant_id) as db:
        await erase(db, school.ids.tenant_id, school.erasure(who))
        reading = asyncio.create_task(school.read_with(reader))
        async with asyncio.timeout(30), tenant_tx(school.pool, school.ids.tenant_id) as other:
            while not await other.fetchval(  # noqa: ASYNC110 only the database knows
                "select exists (select from pg_locks where pid = $1 and not granted)",
                reader.get_server_pid(),
            ):
                await asyncio.sleep(0.01)
    await reading
    await reader.close()
    assert await school.recorded() == recorded


async def test_read_that_is_recorded_first_is_erased_with_the_account(school: School) -> None:
    await school.read()
    assert await school.recorded() == [("Badr", True)]
    await school.erase("account")
    assert await school.recorded() == []
