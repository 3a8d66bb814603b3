"""Durable state in Postgres. Owns the pool, the transaction with a tenant."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import asyncpg

from errors import Conflict as Conflict
from errors import Forbidden as Forbidden
from errors import NotFound as NotFound
from telemetry import metrics

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool: TypeAlias = asyncpg.Pool
    Connection: TypeAlias = asyncpg.Connection

CONNECT_S = 2.0
STATEMENT_S = 2.0  # enforced by the server: a locked table, a slow disk
FROZEN_S = 3.0  # enforced by us: the server does not answer at all
ACQUIRE_S = 5.0  # when every connection of the pool is in use


class ConnectionLost(Exception):
    pass


# A pooled connection raises one of these at first use after the server was restarted.
STALE = (
    ConnectionLost,
    ConnectionResetError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.InternalClientError,
)

# The database is unavailable: the statement was fine and may succeed later. Errors in our own SQL
# or arguments are not listed, so that a bug is never retried as an outage. asyncpg raises a plain
# InterfaceError for both, so `acquire` and `tenant_tx` turn those of an outage into ConnectionLost.
AWAY = (
    ConnectionLost,
    OSError,  # refused, reset, no socket, no such host, and TimeoutError
    asyncpg.InternalClientError,  # the driver lost track of the connection
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled by statement_timeout
    asyncpg.InsufficientResourcesError,  # disk or memory full, too many connections
    asyncpg.PostgresIOError,  # the server's disk fails
    asyncpg.ReadOnlySQLTransactionError,  # a standby, until the primary is back
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)


async def create_pool(dsn: str, *, max_size: int = 10) -> Pool:
    """A pool that connects on first use, so a process can start while Postgres is down.

    A statement that takes too long raises one of AWAY. The caller closes the pool.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=max_size,
        timeout=CONNECT_S,
        command_timeout=FROZEN_S,
        server_settings={"statement_timeout": f"{STATEMENT_S:.0f}s"},
    )


@asynccontextmanager
async def acquire(pool: Pool) -> AsyncIterator[Connection]:
    """A connection without a tenant, for tables that have none.

    Raises ConnectionLost if the connection or the pool was closed.
    """
    try:
        async with pool.acquire(timeout=ACQUIRE_S) as db:
            try:
                yield db
            except asyncpg.InterfaceError as error:
                if _is_connection_lost(db):
                    raise ConnectionLost(str(error)) from error
                raise
    except asyncpg.InterfaceError as error:
        if pool.is_closing():
            raise ConnectionLost(str(error)) from error
        raise


def _is_connection_lost(db: Connection) -> bool:
    try:
        return db.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken the broken connection back already
        return True


@asynccontextmanager
async def tenant_tx(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    """A transaction with the tenant set; without it row-level security shows no rows.

    Commits at the end, rolls back on an exception. Replaces stale connections before the body
    runs.
    """
    stack, db = await _begin_tenant_transaction(pool, tenant_id)
    async with stack:
        yield db


async def _begin_tenant_transaction(
    pool: Pool, tenant_id: UUID
) -> tuple[AsyncExitStack, Connection]:
    began = time.monotonic()
    for attempt in range(pool.get_max_size() + 1):
        try:
            async with AsyncExitStack() as stack:
                db = await stack.enter_async_context(_open_tenant_transaction(pool, tenant_id))
                metrics.POOL_WAIT.observe(time.monotonic() - began)
                metrics.POOL_SIZE.set(pool.get_size())
                metrics.POOL_IDLE.set(pool.get_idle_size())
                return stack.pop_all(), db
        except STALE:
            if attempt == pool.get_max_size() or pool.is_closing():
                raise
    raise AssertionError


@asynccontextmanager
async def _open_tenant_transaction(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    async with acquire(pool) as db:
        transaction = db.transaction()
        try:
            await transaction.start()
            await set_tenant(db, tenant_id)
            yield db
            await transaction.commit()
        except (asyncio.CancelledError, TimeoutError):
            # a frozen server would not answer a rollback, and waiting would delay our shutdown
            db.terminate()
            raise
        except BaseException:
            with suppress(asyncpg.InterfaceError):  # the connection and its transaction are lost
                await transaction.rollback()
            raise


@asynccontextmanager
async def advisory_lock(dsn: str, key: int) -> AsyncIterator[Connection]:
    """Waits for an advisory lock, which only one process on all hosts can hold.

    Yields the connection that holds it. If that connection fails, another process may get the lock.
    """
    db = await asyncpg.connect(dsn, timeout=CONNECT_S, command_timeout=FROZEN_S)
    try:
        while not await db.fetchval("select pg_try_advisory_lock($1)", key):  # noqa: ASYNC110
            await asyncio.sleep(1.0)
        yield db
    finally:
        db.terminate()


async def set_tenant(db: Connection, tenant_id: UUID) -> None:
    """Sets the tenant until the transaction ends."""
    await db.execute("select set_config('app.tenant_id', $1, true)", str(tenant_id))


async def fetch_one(db: Connection, query: str, *arguments: Any) -> asyncpg.Record:
    """The first row of a statement. Raises NotFound if there is none."""
    row = await db.fetchrow(query, *arguments)
    if row is None:
        raise NotFound("no such row")
    return row
