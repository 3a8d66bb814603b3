"""Keeps this host's list of erasures, and removes erased people and sessions from its inbox."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from db import Pool, acquire, tenant_tx
from db.erasure_notes import append_notes, read_notes
from db.erasures import Erasure, list_erasures
from db.local_inbox import LocalInbox
from db.scrubbing import find_strangers
from db.tenants import list_tenants
from settings import Settings

EVERY_S = 2.0
SWEEP_EVERY_S = 60.0  # webhooks of an erased person may arrive late
OVERLAP = timedelta(minutes=1)  # a transaction may commit this long after its rows' time
ALL = datetime(2000, 1, 1, tzinfo=UTC)


async def run_erasure_watch(settings: Settings, pool: Pool) -> None:
    inbox = LocalInbox(settings.inbox_path)
    try:
        await ErasureWatch(pool, inbox, settings.erasures_path).run()
    finally:
        await inbox.close()


class ErasureWatch:
    """Starts with the whole list of the database, in case the file was lost."""

    def __init__(self, pool: Pool, inbox: LocalInbox, path: Path) -> None:
        self._pool = pool
        self._inbox = inbox
        self._path = path
        self._noted: set[UUID] | None = None  # ids noted since `_since`; None before the first look
        self._since = ALL  # by the database's clock

    async def run(self) -> None:
        """Runs until cancelled. Raises database errors, OSError and sqlite3.Error."""
        clock = asyncio.get_running_loop().time
        sweep_at = 0.0
        while True:
            if await self.append_new_notes() or clock() >= sweep_at:
                await self.erase_strangers_in_inbox()
                sweep_at = clock() + SWEEP_EVERY_S
            await asyncio.sleep(EVERY_S)

    async def append_new_notes(self) -> int:
        """Appends what was erased since the last time, on any host. Returns how many."""
        if self._noted is None:
            notes = await asyncio.to_thread(read_notes, self._path)
            self._noted = {erasure.id for erasure in notes}
        now, found = await self._list_new_erasures()
        new = [erasure for erasure in found if erasure.id not in self._noted]
        await asyncio.to_thread(append_notes, self._path, new)
        self._noted = {erasure.id for erasure in found}
        self._since = now - OVERLAP
        return len(new)

    async def _list_new_erasures(self) -> tuple[datetime, list[Erasure]]:
        async with acquire(self._pool) as db:
            now: datetime = await db.fetchval("select now()")
            tenants = await list_tenants(db)
        found = []
        for tenant in tenants:
            async with tenant_tx(self._pool, tenant.id) as db:
                found += await list_erasures(db, tenant.id, self._since)
        return now, found

    async def erase_strangers_in_inbox(self) -> None:
        """Deletes webhooks that have taken effect and name nobody's identity or no session."""
        people = await self._inbox.list_people_of_webhooks()
        if people.identities or people.room_sids:
            async with acquire(self._pool) as db:
                strangers = await find_strangers(db, people)
            if strangers.identities or strangers.room_sids:
                await self._inbox.erase_webhooks_of(strangers)
