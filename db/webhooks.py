"""Webhooks on their way from the inbox to their effects. Owns webhook_events."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from db import AWAY, Connection, Pool, acquire, tenant_tx
from db.accounts import list_account_ids
from db.attendance import (
    FINISHED,
    JOINED,
    LEFT,
    fold,
    list_stretches,
    place,
    upsert_told,
)
from db.inbox import Event, Inbox, Letter
from db.rooms import list_names, lock_room
from db.sessions import end_session_in_room
from db.tenants import list_tenants
from telemetry import metrics

BATCH = 200
BATCH_TIMEOUT_S = 20.0
IDLE_S = 0.2  # between looks at an empty inbox
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # the last one repeats while Postgres is away
EARLY_S = 1.0  # until an event that came before its session's row is looked at again
PATIENCE_S = 60.0  # how long such a row may take
FORGET_EVERY_S = 3600.0

logger = logging.getLogger(__name__)


class Intake:
    """Takes events out of the inbox into Postgres: each has its effect once, in whatever order.

    Several may run, over one inbox or over those of several hosts.
    """

    def __init__(self, inbox: Inbox, pool: Pool) -> None:
        self._inbox = inbox
        self._pool = pool
        self._tenants: dict[str, UUID] = {}  # by the name of a room, which never moves
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled; while Postgres is away the events stay in the inbox."""
        forget_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout(BATCH_TIMEOUT_S):
                    taken = await self.take()
                    if clock() >= forget_at:
                        await self._inbox.forget_processed()
                        forget_at = clock() + FORGET_EVERY_S
                self._failures = 0
            except AWAY as error:
                await self._wait_out(error)
                continue
            except Exception:
                logger.exception("webhooks not taken in")
                await asyncio.sleep(RETRY_S[-1])
                continue
            if not taken:
                await asyncio.sleep(IDLE_S)

    async def take(self) -> int:
        """Takes one batch in and returns its size. Raises what AWAY names."""
        letters = await self._inbox.waiting(BATCH)
        await self._find_tenants({letter.event.room for letter in letters})
        for tenant_id in {self._tenants.get(letter.event.room) for letter in letters}:
            batch = [one for one in letters if self._tenants.get(one.event.room) == tenant_id]
            if tenant_id is None:
                logger.info("webhooks of no room of ours", extra={"count": len(batch)})
                await self._inbox.mark_processed(batch)
            else:
                await self._take_of(tenant_id, batch)
        return len(letters)

    async def _find_tenants(self, names: set[str]) -> None:
        unknown = names - self._tenants.keys() - {""}
        if not unknown:
            return
        async with acquire(self._pool) as db:
            tenants = await list_tenants(db)
        for tenant in tenants:
            async with tenant_tx(self._pool, tenant.id) as db:
                known = await list_names(db, tenant.id, unknown)
            self._tenants |= dict.fromkeys(known, tenant.id)

    async def _take_of(self, tenant_id: UUID, batch: Sequence[Letter]) -> None:
        try:
            await self._apply(tenant_id, batch)
        except AWAY:
            raise
        except Exception:  # noqa: BLE001 one of them is bad: find it, let the others pass
            for letter in batch:
                await self._take_alone(tenant_id, letter)

    async def _take_alone(self, tenant_id: UUID, letter: Letter) -> None:
        try:
            await self._apply(tenant_id, [letter])
        except AWAY:
            raise
        except Exception as error:
            name = type(error).__name__
            logger.exception(
                "a webhook cannot be taken in and is set aside", extra={"event": letter.event.id}
            )
            await self._inbox.mark_failed(letter, name)
            metrics.WEBHOOKS.inc(outcome="set_aside")

    async def _apply(self, tenant_id: UUID, batch: Sequence[Letter]) -> None:
        early = await self._early(tenant_id, batch)
        due = [letter for letter in batch if letter not in early]
        present = [letter.event for letter in due if letter.event.name != FINISHED]
        async with tenant_tx(self._pool, tenant_id) as db:
            await apply_presence(db, tenant_id, present)
        for event in (letter.event for letter in due if letter.event.name == FINISHED):
            async with tenant_tx(self._pool, tenant_id) as db:
                await apply_end(db, tenant_id, event)
        await self._inbox.mark_processed(due)
        metrics.WEBHOOKS.inc(len(due), outcome="processed")
        await self._inbox.defer(early, EARLY_S)

    async def _early(self, tenant_id: UUID, batch: Sequence[Letter]) -> list[Letter]:
        """Events of a LiveKit room that no session is in yet: its row may not be committed."""
        young = [
            letter
            for letter in batch
            if letter.event.name in (JOINED, LEFT, FINISHED)
            and not letter.event.agent
            and letter.age_s < PATIENCE_S
        ]
        if not young:
            return []
        async with tenant_tx(self._pool, tenant_id) as db:
            sids = {letter.event.room_sid for letter in young}
            known = {one.room_sid for one in await list_stretches(db, tenant_id, sids)}
        return [letter for letter in young if letter.event.room_sid not in known]

    async def _wait_out(self, error: BaseException) -> None:
        pause = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        logger.warning(
            "Postgres does not take webhooks; they wait in the inbox",
            extra={"why": type(error).__name__, "retry_in_s": pause},
        )
        await asyncio.sleep(pause)


async def apply_presence(db: Connection, tenant_id: UUID, events: Sequence[Event]) -> None:
    """Joins and departures of people, each once; other events are only kept as processed."""
    new = await insert_events(db, tenant_id, events)
    connections = fold(event for event in events if event.id in new)
    if not connections:
        return
    stretches = await list_stretches(db, tenant_id, {one.room_sid for one in connections})
    accounts = await list_account_ids(db, tenant_id, {one.identity for one in connections})
    await upsert_told(db, tenant_id, place(connections, stretches, accounts))


async def apply_end(db: Connection, tenant_id: UUID, event: Event) -> None:
    """The LiveKit room closed: so does the session that is still held in it, once."""
    await lock_room(db, event.room)  # who opens the room now may be moving the session
    if await insert_events(db, tenant_id, [event]):
        await end_session_in_room(db, tenant_id, event.room_sid, event.at)


async def insert_events(db: Connection, tenant_id: UUID, events: Iterable[Event]) -> set[str]:
    """Keeps the events as processed; the ids of those that were not before."""
    ordered = sorted(events, key=lambda event: event.id)  # the same order in every process
    rows = await db.fetch(
        """insert into webhook_events (tenant_id, id, name, created_at)
           select $1, * from unnest($2::text[], $3::text[], $4::timestamptz[])
           on conflict (tenant_id, id) do nothing returning id""",
        tenant_id,
        [event.id for event in ordered],
        [event.name for event in ordered],
        [event.at for event in ordered],
    )
    return {row["id"] for row in rows}


async def delete_events(db: Connection, tenant_id: UUID, age: timedelta) -> None:
    """Deletes events processed so long ago, by the clock of the database."""
    await db.execute(
        "delete from webhook_events where tenant_id = $1 and processed_at < now() - $2::interval",
        tenant_id,
        age,
    )
