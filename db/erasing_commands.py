"""`python -m db erase-account` and `erase-session`: deletes a person or a session everywhere."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from uuid import UUID

from db import Connection, Pool, acquire, create_pool, tenant_tx
from db.accounts import Account, list_accounts_of
from db.deleting import Deleted, delete_account, delete_objects, delete_session
from db.erasure_notes import append_notes
from db.erasures import Erasure, new_erasure
from db.local_queue import open_queue_file
from db.scrubbing import scrub_inbox, scrub_spool
from db.sessions import find_session
from db.storage import open_storage
from db.tenants import find_tenant
from settings import Settings

Delete = Callable[[Connection, UUID, Erasure], Awaitable[Deleted]]


class ErasingError(Exception):
    """Nothing was erased; the message says what to do."""


async def erase_whole_account(settings: Settings, tenant_slug: str, key: str, *, yes: bool) -> None:
    """`key` is an id, an e-mail address or the `sub` of a sign-in. Raises ErasingError."""
    async with _connected(settings, tenant_slug) as (pool, tenant_id):
        account = await _find_account(pool, tenant_id, key)
        await _confirm(f"{account.role} {account.name} ({account.id})", yes=yes)
        erasure = new_erasure(tenant_id, "account", datetime.now(UTC), account_id=account.id)
        await _erase(settings, pool, erasure, delete_account)


async def erase_whole_session(settings: Settings, tenant_slug: str, key: str, *, yes: bool) -> None:
    async with _connected(settings, tenant_slug) as (pool, tenant_id):
        session_id = await _find_ended_session(pool, tenant_id, key)
        await _confirm(f"session {session_id}", yes=yes)
        erasure = new_erasure(tenant_id, "session", datetime.now(UTC), session_id=session_id)
        await _erase(settings, pool, erasure, delete_session)


@asynccontextmanager
async def _connected(settings: Settings, tenant_slug: str) -> AsyncIterator[tuple[Pool, UUID]]:
    """A pool of the role that may delete, and the tenant's id."""
    pool = await create_pool(settings.jobs_dsn, max_size=1)
    try:
        async with acquire(pool) as db:
            tenant = await find_tenant(db, tenant_slug)
        if tenant is None:
            raise ErasingError(f"there is no tenant {tenant_slug}")
        yield pool, tenant.id
    finally:
        await pool.close()


async def _find_account(pool: Pool, tenant_id: UUID, key: str) -> Account:
    async with tenant_tx(pool, tenant_id) as db:
        found = await list_accounts_of(db, tenant_id, key)
    if not found:
        raise ErasingError(f"no account has the id, e-mail address or subject {key}")
    if len(found) > 1:
        ids = ", ".join(str(one.id) for one in found)
        raise ErasingError(f"several accounts match {key}: name one by its id ({ids})")
    return found[0]


async def _find_ended_session(pool: Pool, tenant_id: UUID, key: str) -> UUID:
    try:
        session_id = UUID(key)
    except ValueError as error:
        raise ErasingError(f"{key} is not the id of a session") from error
    async with tenant_tx(pool, tenant_id) as db:
        session = await find_session(db, tenant_id, session_id)
    if session is None:
        raise ErasingError(f"there is no session {session_id}")
    if session.status == "active":
        raise ErasingError(f"session {session_id} is running: wait until everybody has left")
    return session_id


async def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ErasingError("pass --yes to erase without being asked")
    answer = await asyncio.to_thread(input, f"Erase {what}? This cannot be undone. Type yes: ")
    if answer.strip().lower() != "yes":
        raise ErasingError("nothing was erased")


async def _erase(settings: Settings, pool: Pool, erasure: Erasure, delete: Delete) -> None:
    """Erases it here and now. Other hosts follow as their watchers and drainers see the row."""
    objects = await delete_objects(open_storage(settings), erasure)
    async with tenant_tx(pool, erasure.tenant_id) as db:
        deleted = await delete(db, erasure.tenant_id, erasure)
    append_notes(settings.erasures_path, [erasure])
    async with acquire(pool) as db:
        await _scrub_files(settings, db)
    sys.stdout.write(
        f"erased, with {deleted.segments} segments and {objects} stored objects;"
        " files of other hosts follow within seconds\n"
    )


async def _scrub_files(settings: Settings, db: Connection) -> None:
    if settings.spool_path.exists():
        with closing(open_queue_file(settings.spool_path)) as spool:
            await scrub_spool(db, spool, waiting=False)
    if settings.inbox_path.exists():
        with closing(open_queue_file(settings.inbox_path)) as inbox:
            await scrub_inbox(db, inbox)
