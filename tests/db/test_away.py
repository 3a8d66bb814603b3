"""`db.AWAY`: which errors mean that the database is unavailable, and which are our bugs."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from db import AWAY, Connection, ConnectionLost, Pool, acquire, create_pool, embedded, tenant_tx
from harness.processes import frozen
from tests.conftest import Database, Postgres

Act = Callable[[Connection], Awaitable[object]]


def run(statement: str, *arguments: object) -> Act:
    return lambda db: db.execute(statement, *arguments)


def raised(code: str) -> Act:
    """The server fails with this SQLSTATE."""
    return run(f"do $$ begin raise exception using errcode = '{code}'; end $$")


async def two_at_once(db: Connection) -> None:
    slow = asyncio.create_task(db.execute("select pg_sleep(0.1)"))
    await asyncio.sleep(0)
    try:
        await db.execute("select 1")
    finally:
        await slow


async def time_out(db: Connection) -> None:
    await db.execute("set local statement_timeout = '20ms'")
    await db.execute("select pg_sleep(5)")


async def write_on_a_standby(db: Connection) -> None:
    await db.execute("set local transaction_read_only = on")
    await db.execute("update accounts set name = name")


async def sleep_long(pool: Pool, connected: asyncio.Event | None = None) -> None:
    async with acquire(pool) as db:
        if connected:
            connected.set()
        await db.execute("select pg_sleep(5)")


async def freeze(db: Connection) -> None:
    pid = await db.fetchval("select pg_backend_pid()")
    with frozen(pid):
        await db.execute("select 1", timeout=0.1)


async def shut_down(db: Connection) -> None:
    await db.execute("select pg_terminate_backend(pg_backend_pid())")


async def use_after_loss(db: Connection) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await shut_down(db)
    await db.execute("select 1")


@pytest.fixture
async def pool(postgres: Postgres) -> AsyncIterator[Pool]:
    """A pool on the shared database: no test here commits anything."""
    pool = await create_pool(postgres.dsn())
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that Postgres's user may enter, even if the tests run as root."""
    home = Path(tempfile.mkdtemp(prefix="bodh-away-"))
    home.chmod(0o711)
    yield home
    shutil.rmtree(home)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (shut_down, asyncpg.ConnectionDoesNotExistError),
        (use_after_loss, ConnectionLost),
        (time_out, asyncpg.QueryCanceledError),
        (freeze, TimeoutError),
        (write_on_a_standby, asyncpg.ReadOnlySQLTransactionError),
        (raised("53100"), asyncpg.DiskFullError),
        (raised("53200"), asyncpg.OutOfMemoryError),
        (raised("58030"), asyncpg.PostgresIOError),
        (raised("57P01"), asyncpg.AdminShutdownError),
        (raised("57P03"), asyncpg.CannotConnectNowError),
        (raised("40001"), asyncpg.SerializationError),
        (raised("40P01"), asyncpg.DeadlockDetectedError),
    ],
)
async def test_outage_is_away(
    pool: Pool, tenant_id: UUID, act: Act, expected: type[Exception]
) -> None:
    with pytest.raises(AWAY) as caught:
        async with tenant_tx(pool, tenant_id) as db:
            await act(db)
    assert isinstance(caught.value, expected)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (run("select name, adress from accounts"), asyncpg.UndefinedColumnError),
        (run("select from acounts"), asyncpg.UndefinedTableError),
        (run("selct 1"), asyncpg.PostgresSyntaxError),
        (run("select $1::int", 2**40), asyncpg.DataError),
        (run("select $1::int", 1, 2), asyncpg.InterfaceError),
        (two_at_once, asyncpg.InterfaceError),
        (run("truncate accounts"), asyncpg.InsufficientPrivilegeError),
        (run("insert into tenants (slug) values (null)"), asyncpg.PostgresError),
    ],
)
async def test_bug_is_not_away(
    pool: Pool, tenant_id: UUID, act: Act, expected: type[Exception]
) -> None:
    with pytest.raises(expected) as caught:
        async with tenant_tx(pool, tenant_id) as db:
            await act(db)
    assert not isinstance(caught.value, AWAY)


async def test_closed_pool_is_away(pool: Pool, tenant_id: UUID) -> None:
    await pool.close()
    with pytest.raises(ConnectionLost):
        async with tenant_tx(pool, tenant_id):
            pass
    with pytest.raises(ConnectionLost):
        async with acquire(pool):
            pass
    assert issubclass(ConnectionLost, AWAY)


async def test_pool_terminated_under_a_statement_is_away(pool: Pool) -> None:
    asyncio.get_running_loop().call_later(0.05, pool.terminate)
    with pytest.raises(AWAY):
        await sleep_long(pool)


async def test_stopped_server_is_away(home: Path) -> None:
    cluster = embedded.Cluster(home / "postgres", home / "pg", ("fsync=off",))
    await embedded.start_server(cluster)
    pool = await create_pool(cluster.dsn("postgres", "postgres"))
    connected = asyncio.Event()
    asleep = asyncio.create_task(sleep_long(pool, connected))
    await asyncio.wait_for(connected.wait(), 5)
    await embedded.stop_server(cluster)
    with pytest.raises(AWAY):
        await asleep
    with pytest.raises(AWAY):
        await sleep_long(pool)
    await pool.close()


async def test_too_many_connections_is_away(database: Database) -> None:
    owner = await asyncpg.connect(database.dsn("postgres"))
    await owner.execute(f"alter database {database.name} connection limit 0")
    await owner.close()
    pool = await create_pool(database.dsn())
    with pytest.raises(AWAY) as caught:
        async with acquire(pool):
            pass
    assert isinstance(caught.value, asyncpg.TooManyConnectionsError)
    await pool.close()


async def test_wrong_role_is_not_away(database: Database) -> None:
    pool = await create_pool(database.dsn("bodh_typo"))
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError) as caught:
        async with acquire(pool):
            pass
    assert not isinstance(caught.value, AWAY)
    await pool.close()
