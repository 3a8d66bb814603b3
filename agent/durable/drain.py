"""The drainer: a process that moves the spool to Postgres, in batches, each entry once."""

import asyncio
import logging
import signal
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter, ValidationError

import db
from agent.durable.spool import Entry, Spool
from db.attendance import upsert_participants
from db.erasing import ErasedWords, list_erased_words
from db.erasures import list_erased_ids
from db.stays import ParticipantRow
from db.transcripts import Segment, insert_dead_letter, insert_segments
from settings import Settings
from telemetry import alarm, metrics

BATCH_ENTRIES = 200
IDLE_S = 0.1  # between polls of an empty spool
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # the last value repeats until Postgres is back
FORGET_EVERY_S = 3600.0
LATE_S = 5.0  # an entry that waits longer raises an alarm
METRICS_EVERY_S = 1.0
SWEEP_EVERY_S = 2.0  # between sweeps for erased words

# errors that mean the entry itself cannot be stored
UNSTORABLE_ERRORS = (asyncpg.PostgresError, ValidationError, ValueError, db.NotFound)

logger = logging.getLogger("bodh.drain")
_segments = TypeAdapter(Segment)
_presences = TypeAdapter(ParticipantRow)


class Drainer:
    def __init__(self, spool: Spool, pool: db.Pool) -> None:
        self._spool = spool
        self._pool = pool
        self._failures = 0  # in a row
        # by session and account: when they erased, and the newest drained entry at the last sweep
        self._swept: dict[tuple[UUID, UUID], tuple[datetime, int]] = {}
        # sessions and accounts in the spool, by tenant, and the newest entry seen
        self._owners: dict[UUID, set[UUID]] = {}
        self._seen = 0

    async def run(self) -> None:
        """Ends only when cancelled; while Postgres is away, entries stay in the spool."""
        forget_at = sweep_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            try:
                moved = await self.drain_batch()
                if clock() >= sweep_at:
                    await self.sweep_spool()
                    sweep_at = clock() + SWEEP_EVERY_S
                if clock() >= forget_at:
                    await self._spool.delete_drained()
                    self._owners, self._seen = {}, 0
                    forget_at = clock() + FORGET_EVERY_S
                self._failures = 0
            except (*db.AWAY, sqlite3.Error) as error:  # the disk of the spool may be full
                await self._pause_after_failure(error)
                continue
            if not moved:
                await asyncio.sleep(IDLE_S)

    async def drain_batch(self) -> int:
        """Moves one batch and returns its size. Raises db.AWAY."""
        entries = await self._spool.list_waiting(BATCH_ENTRIES)
        for tenant_id, group in groupby(entries, key=lambda entry: entry.tenant_id):
            batch = list(group)
            await self._store_batch(tenant_id, batch)
            await self._spool.mark_drained(batch)
            for entry in batch:
                metrics.DRAINED.inc(kind=entry.kind)
        return len(entries)

    async def sweep_spool(self) -> None:
        """Deletes from the spool who and what was erased. Raises db.AWAY."""
        await self._erase_gone_owners()
        newest = await self._spool.list_newest_drained()
        for tenant_id in {tenant for tenant, _ in newest}:
            sessions = [session for tenant, session in newest if tenant == tenant_id]
            async with db.tenant_tx(self._pool, tenant_id) as conn:
                erased = await list_erased_words(conn, tenant_id, sessions)
            for one in erased:
                await self._erase_words_from_spool(one, newest[tenant_id, one.session_id])

    async def _erase_gone_owners(self) -> None:
        """Deletes the entries of erased sessions and accounts, also those that still wait."""
        new, self._seen = await self._spool.list_session_and_account_ids(self._seen)
        for tenant_id, owners in new.items():
            self._owners.setdefault(tenant_id, set()).update(owners)
        for tenant_id, owners in self._owners.items():
            async with db.tenant_tx(self._pool, tenant_id) as conn:
                gone = await list_erased_ids(conn, tenant_id, owners)
            if gone and await self._spool.erase_entries_of(tenant_id, gone):
                owners -= gone
                logger.info("erased from the spool", extra={"count": len(gone)})

    async def _erase_words_from_spool(self, erased: ErasedWords, newest: int) -> None:
        key, state = (erased.session_id, erased.account_id), (erased.erased_at, newest)
        if self._swept.get(key) == state:
            return
        if await self._spool.erase_words(*key, erased.erased_at, erased.segment_ids):
            self._swept[key] = state
            logger.info("erased from the spool", extra={"session_id": str(erased.session_id)})

    async def _pause_after_failure(self, error: BaseException) -> None:
        pause = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        metrics.DRAIN_FAILURES.inc()
        logger.warning(
            "entries wait in the spool: the database is away or the disk is full",
            extra={"why": type(error).__name__, "retry_in_s": pause},
        )
        await asyncio.sleep(pause)

    async def _store_batch(self, tenant_id: UUID, batch: list[Entry]) -> None:
        try:
            await self._store_in_transaction(tenant_id, batch)
        except db.AWAY:
            raise
        except UNSTORABLE_ERRORS:
            for entry in batch:  # at least one is bad: store them one by one
                await self._store_or_make_dead_letter(tenant_id, entry)

    async def _store_in_transaction(self, tenant_id: UUID, batch: Iterable[Entry]) -> None:
        entries = list(batch)
        segments = [
            _segments.validate_python(entry.payload) for entry in entries if entry.kind == "segment"
        ]
        presences = [
            _presences.validate_python(entry.payload)
            for entry in entries
            if entry.kind == "participant"
        ]
        async with db.tenant_tx(self._pool, tenant_id) as conn:
            if segments:
                await insert_segments(conn, tenant_id, segments)
            if presences:
                await upsert_participants(conn, tenant_id, presences)

    async def _store_or_make_dead_letter(self, tenant_id: UUID, entry: Entry) -> None:
        try:
            await self._store_in_transaction(tenant_id, [entry])
        except db.AWAY:
            raise
        except UNSTORABLE_ERRORS as error:
            metrics.DEAD_LETTERS.inc(kind=entry.kind)
            logger.error(
                "entry cannot be stored and became a dead letter",
                extra={"kind": entry.kind, "key": entry.key, "why": type(error).__name__},
            )
            async with db.tenant_tx(self._pool, tenant_id) as conn:
                await insert_dead_letter(
                    conn,
                    tenant_id,
                    kind=entry.kind,
                    entry_key=f"{entry.session_id}:{entry.key}",
                    payload=entry.payload,
                    error=type(error).__name__,
                )


async def report_backlog(spool: Spool) -> None:
    while True:
        try:
            await _report_backlog_once(spool)
        except sqlite3.Error as error:
            logger.warning("the spool could not be counted", extra={"why": type(error).__name__})
        await asyncio.sleep(METRICS_EVERY_S)


async def _report_backlog_once(spool: Spool) -> None:
    waiting, oldest_s = await spool.count_waiting(), await spool.oldest_waiting_s()
    metrics.SPOOL_WAITING.set(waiting)
    metrics.SPOOL_OLDEST.set(oldest_s)
    late = oldest_s > LATE_S
    alarm("spool_not_drained", late, waiting=waiting, oldest_s=round(oldest_s))


async def run_drainer(settings: Settings) -> None:
    """Drains until SIGTERM or SIGINT, then flushes what is left."""
    spool = Spool(settings.spool_path)
    pool = await db.create_pool(settings.drain_dsn, max_size=2)
    drainer = Drainer(spool, pool)
    task = asyncio.create_task(drainer.run())
    counting = asyncio.create_task(report_backlog(spool))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        await _drain_before_exit(drainer)
    finally:
        counting.cancel()
        await pool.close()
        await spool.close()


async def _drain_before_exit(drainer: Drainer) -> None:
    try:
        while await drainer.drain_batch():
            pass
        await drainer.sweep_spool()
    except (*db.AWAY, sqlite3.Error):
        logger.warning("entries wait in the spool for the next start")
