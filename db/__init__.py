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
STATEMENT_S = 2.0  # by the server's clock: a locked table, a slow disk
FROZEN_S = 3.0  # by ours: the server itself does not answer
ACQUIRE_S = 5.0  # for a connection of a pool whose others are all in use

# what a pooled connection raises once when the server was restarted behind it
STALE = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionResetError,
)


# what passes by itself: lost and refused connections, restarts, lack of resources, deadlocks
RETRYABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)


async def create_pool(dsn: str, *, max_size: int = 10) -> Pool:
    """A pool that connects at first use, so a process starts while Postgres is away.

    No statement of it hangs: what takes too long raises one of RETRYABLE. The caller closes it.
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
async def tenant_tx(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    """A transaction with the tenant set; without it row-level security shows no row.

    Commits at its end, rolls back on an exception. A connection that went stale in the pool is
    replaced before the body runs.
    """
    stack, db = await _begin(pool, tenant_id)
    async with stack:
        yield db


async def _begin(pool: Pool, tenant_id: UUID) -> tuple[AsyncExitStack, Connection]:
    began = time.monotonic()
    for attempt in range(pool.get_max_size() + 1):
        try:
            async with AsyncExitStack() as stack:
                db = await stack.enter_async_context(_transaction(pool, tenant_id))
                metrics.POOL_WAIT.observe(time.monotonic() - began)
                metrics.POOL_SIZE.set(pool.get_size())
                metrics.POOL_IDLE.set(pool.get_idle_size())
                return stack.pop_all(), db
        except STALE:
            if attempt == pool.get_max_size():
                raise
    raise AssertionError


@asynccontextmanager
async def _transaction(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    async with pool.acquire(timeout=ACQUIRE_S) as db:
        transaction = db.transaction()
        try:
            await transaction.start()
            await set_tenant(db, tenant_id)
            yield db
            await transaction.commit()
        except (asyncio.CancelledError, TimeoutError):
            # a frozen server answers no rollback either, and waiting would hold up our own end
            db.terminate()
            raise
        except BaseException:
            with suppress(asyncpg.InterfaceError):  # the connection is gone with its transaction
                await transaction.rollback()
            raise


@asynccontextmanager
async def only_one(dsn: str, key: int) -> AsyncIterator[Connection]:
    """Waits until no other process of any host holds the key, and holds it as long as it lives.

    The connection that holds it is given: as soon as it fails, somebody else may hold the key.
    """
    db = await asyncpg.connect(dsn, timeout=CONNECT_S, command_timeout=FROZEN_S)
    try:
        while not await db.fetchval("select pg_try_advisory_lock($1)", key):  # noqa: ASYNC110
            await asyncio.sleep(1.0)
        yield db
    finally:
        db.terminate()


async def set_tenant(db: Connection, tenant_id: UUID) -> None:
    """Sets the tenant until the end of the running transaction."""
    await db.execute("select set_config('app.tenant_id', $1, true)", str(tenant_id))


async def fetch_one(db: Connection, query: str, *arguments: Any) -> asyncpg.Record:
    """The row of a statement that gives one. Raises NotFound where it gives none."""
    row = await db.fetchrow(query, *arguments)
    if row is None:
        raise NotFound("no such row")
    return row
