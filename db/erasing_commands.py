"""`python -m db erase-account` and `erase-session`: deletes a person or a session everywhere."""

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID

from db import Connection, Pool, acquire, tenant_tx
from db.account_commands import select_one_account
from db.deleting import Deleted, delete_account, delete_objects, delete_session
from db.erasure_notes import append_notes
from db.erasures import Erasure, new_erasure
from db.local_queue import open_queue_file
from db.scrubbing import scrub_inbox, scrub_spool
from db.sessions import find_session
from db.storage import open_storage
from db.tenant_commands import open_tenant
from settings import Settings

Delete = Callable[[Connection, UUID, Erasure], Awaitable[Deleted]]


class ErasingError(Exception):
    """The message says what was not erased, and what to do."""


async def erase_whole_account(settings: Settings, tenant_slug: str, who: str, *, yes: bool) -> None:
    """`who` is an id, an e-mail address or the `sub` of a sign-in.

    Raises TenantError, AccountError, ErasingError.
    """
    async with open_tenant(settings.jobs_dsn, tenant_slug) as (pool, tenant):
        async with tenant_tx(pool, tenant.id) as db:
            account = await select_one_account(db, tenant.id, who)
        await _ask_to_confirm(f"{account.role} {account.name} ({account.id})", yes=yes)
        erasure = new_erasure(tenant.id, "account", datetime.now(UTC), account_id=account.id)
        await _delete_everywhere_on_this_host(settings, pool, erasure, delete_account)


async def erase_whole_session(settings: Settings, tenant_slug: str, key: str, *, yes: bool) -> None:
    async with open_tenant(settings.jobs_dsn, tenant_slug) as (pool, tenant):
        session_id = await _find_ended_session(pool, tenant.id, key)
        await _ask_to_confirm(f"session {session_id}", yes=yes)
        erasure = new_erasure(tenant.id, "session", datetime.now(UTC), session_id=session_id)
        await _delete_everywhere_on_this_host(settings, pool, erasure, delete_session)


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


async def _ask_to_confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ErasingError("pass --yes to erase without being asked")
    answer = await asyncio.to_thread(input, f"Erase {what}? This cannot be undone. Type yes: ")
    if answer.strip().lower() != "yes":
        raise ErasingError("nothing was erased")


async def _delete_everywhere_on_this_host(
    settings: Settings, pool: Pool, erasure: Erasure, delete: Delete
) -> None:
    """Erases it here and now. Other hosts follow as their watchers and drainers see the row."""
    objects = await delete_objects(open_storage(settings), erasure)
    async with tenant_tx(pool, erasure.tenant_id) as db:
        deleted = await delete(db, erasure.tenant_id, erasure)
    append_notes(settings.erasures_path, [erasure])
    try:
        async with acquire(pool) as db:
            await _scrub_queue_files(settings, db)
    except (OSError, sqlite3.Error) as error:
        raise ErasingError(
            "erased from the database and the stored objects, but not from "
            f"{settings.spool_path.parent}: {error}. Once its files can be read and written, the "
            "running drainer and watcher erase it there too."
        ) from error
    sys.stdout.write(
        f"erased, with {deleted.segments} segments and {objects} stored objects;"
        " files of other hosts follow within seconds\n"
    )


async def _scrub_queue_files(settings: Settings, db: Connection) -> None:
    if settings.spool_path.exists():
        with closing(open_queue_file(settings.spool_path)) as spool:
            await scrub_spool(db, spool, waiting=False)
    if settings.inbox_path.exists():
        with closing(open_queue_file(settings.inbox_path)) as inbox:
            await scrub_inbox(db, inbox)
