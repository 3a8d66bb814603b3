"""Writes the alarms of this host as notices for the operator."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from db import Pool, acquire, tenant_tx
from db.notices import clear_notices, upsert_notice
from db.tenants import DEFAULT, find_tenant
from telemetry import AlarmName
from telemetry.gather import ActiveAlarm, read_alarms_and_bury_dead

EVERY_S = 1.0
SAY_AGAIN_S = 60.0  # shows other hosts that this one is alive


class NoticeWriter:
    """Writes the alarms of one host when they change; remembers them while Postgres is away."""

    def __init__(self, pool: Pool, base: Path, clock: Callable[[], datetime], host: str) -> None:
        self._pool = pool
        self._base = base
        self._clock = clock
        self._host = host
        self._active: dict[AlarmName, ActiveAlarm] = {}
        self._cleared: list[ActiveAlarm] = []
        self._written: set[AlarmName] | None = None  # None: nothing yet in this process

    async def run(self) -> None:
        """Runs until cancelled. Raises database errors; the next run writes the rest."""
        written_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            changed = await self.refresh_alarms()
            if changed or clock() - written_at > SAY_AGAIN_S:
                await self.write_notices()
                written_at = clock()
            await asyncio.sleep(EVERY_S)

    async def refresh_alarms(self) -> bool:
        # in a thread: it waits for a lock file
        now = await asyncio.to_thread(read_alarms_and_bury_dead, self._base)
        self._cleared += [one for name, one in self._active.items() if name not in now]
        self._active = now
        return bool(self._cleared) or self._written != set(now)

    async def write_notices(self) -> None:
        now, cleared = self._clock(), list(self._cleared)
        async with acquire(self._pool) as db:
            tenant = await find_tenant(db, DEFAULT)
        if tenant is None:
            return  # not migrated yet
        async with tenant_tx(self._pool, tenant.id) as db:
            for one in (*cleared, *self._active.values()):
                await upsert_notice(
                    db,
                    tenant.id,
                    host=self._host,
                    name=one.name,
                    since=one.since,
                    now=now,
                    facts=one.facts,
                )
            await clear_notices(db, tenant.id, host=self._host, active=self._active, now=now)
        self._cleared = self._cleared[len(cleared) :]
        self._written = set(self._active)
