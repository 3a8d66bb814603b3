"""Removes from the queue files of a host what the database says is erased."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from db import Connection, set_tenant
from db.accounts import list_ids_by_identity
from db.attendance import list_session_stretches
from db.erasing import list_erased_words
from db.erasures import list_erased_ids
from db.local_erasing import (
    People,
    delete_entries_of,
    delete_webhooks_of,
    delete_words,
    list_people_of_webhooks,
    list_session_and_account_ids,
)
from db.tenants import list_tenants


async def scrub_spool(db: Connection, spool: sqlite3.Connection, *, waiting: bool) -> None:
    """Deletes erased people, sessions and words. Erased words that wait stay unless `waiting`."""
    owners, _ = list_session_and_account_ids(spool, 0)
    for tenant_id, ids in owners.items():
        async with _tenant_transaction(db, tenant_id):
            gone = await list_erased_ids(db, tenant_id, ids)
            words = await list_erased_words(db, tenant_id, sorted(ids))
        if gone:
            delete_entries_of(spool, tenant_id, gone)
        for one in words:
            delete_words(
                spool,
                one.session_id,
                one.account_id,
                one.erased_at,
                one.segment_ids,
                waiting=waiting,
            )


async def scrub_inbox(db: Connection, inbox: sqlite3.Connection) -> None:
    strangers = await find_strangers(db, list_people_of_webhooks(inbox))
    if strangers.identities or strangers.room_sids:
        delete_webhooks_of(inbox, strangers)


async def find_strangers(db: Connection, people: People) -> People:
    """Identities without an account and LiveKit rooms without a session, in any tenant."""
    identities, room_sids = set(people.identities), set(people.room_sids)
    for tenant in await list_tenants(db):
        async with _tenant_transaction(db, tenant.id):
            identities -= (await list_ids_by_identity(db, tenant.id, identities)).keys()
            stretches = await list_session_stretches(db, tenant.id, room_sids)
        room_sids -= {stretch.room_sid for stretch in stretches}
    return People(frozenset(identities), frozenset(room_sids))


@asynccontextmanager
async def _tenant_transaction(db: Connection, tenant_id: UUID) -> AsyncIterator[None]:
    async with db.transaction():
        await set_tenant(db, tenant_id)
        yield
