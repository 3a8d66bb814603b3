"""Removes what is older than it may be kept, each night."""

import logging
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID

from db import Connection, tenant_tx
from db.access_log import delete_old_reads
from db.deleting import delete_account, delete_objects, delete_session
from db.erasures import Erasure, new_erasure
from db.retention import (
    Removal,
    RetentionKind,
    add_removal,
    delete_old_dead_letters,
    delete_words_of_sessions,
    list_days,
    list_inactive_learners,
    list_old_sessions,
    list_sessions_with_old_words,
)
from jobs.work import Work

BATCH = 50  # sessions or accounts that are looked up at once
ROWS = 2000  # deleted by one statement, well within its time limit

ErasedKind = Literal["sessions", "accounts"]
RowKind = Literal["transcripts", "dead_letters", "access_log"]

logger = logging.getLogger(__name__)


async def remove_old_data(work: Work) -> None:
    """Safe to repeat: each batch deletes and counts in a transaction of its own."""
    now = work.parts.clock()
    async with tenant_tx(work.parts.pool, work.tenant_id) as db:
        rules = await list_days(db, work.tenant_id, work.parts.retention)
    for kind, days in rules.items():
        if days:
            await _remove_kind(work, kind, now, now - timedelta(days=days))
    async with work.completing_transaction():
        pass


async def _remove_kind(work: Work, kind: RetentionKind, now: datetime, before: datetime) -> None:
    total = 0
    while removed := await _remove_batch(work, kind, now, before):
        total += removed
    if total:
        logger.info("old data removed", extra={"kind": kind, "count": total})


async def _remove_batch(work: Work, kind: RetentionKind, now: datetime, before: datetime) -> int:
    """Removes and counts some of what is old. Returns 0 if nothing is left."""
    match kind:
        case "sessions" | "accounts":
            return await _erase_batch(work, kind, now, before)
        case "transcripts" | "dead_letters" | "access_log":
            async with tenant_tx(work.parts.pool, work.tenant_id) as db:
                removed = await _delete_rows(db, work.tenant_id, kind, before)
                if removed:
                    removal = Removal(kind, now.date(), before, removed)
                    await add_removal(db, work.tenant_id, removal)
            return removed
        case _:
            assert_never(kind)


async def _delete_rows(db: Connection, tenant_id: UUID, kind: RowKind, before: datetime) -> int:
    match kind:
        case "transcripts":
            sessions = await list_sessions_with_old_words(db, tenant_id, before, BATCH)
            return await delete_words_of_sessions(db, tenant_id, sessions, ROWS)
        case "dead_letters":
            return await delete_old_dead_letters(db, tenant_id, before, ROWS)
        case "access_log":
            return await delete_old_reads(db, tenant_id, before, ROWS)
        case _:
            assert_never(kind)


async def _erase_batch(work: Work, kind: ErasedKind, now: datetime, before: datetime) -> int:
    """Erases each in a transaction of its own.

    The watchers note an erasure only if it commits within a minute (OVERLAP in watch/erasures.py).
    """
    tenant_id = work.tenant_id
    async with tenant_tx(work.parts.pool, tenant_id) as db:
        erasures = await _list_due_erasures(db, tenant_id, kind, now, before)
    for erasure in erasures:
        await delete_objects(work.parts.storage, erasure)
        async with tenant_tx(work.parts.pool, tenant_id) as db:
            delete = delete_account if erasure.kind == "account" else delete_session
            await delete(db, tenant_id, erasure)
            await add_removal(db, tenant_id, Removal(kind, now.date(), before, 1))
    return len(erasures)


async def _list_due_erasures(
    db: Connection, tenant_id: UUID, kind: ErasedKind, now: datetime, before: datetime
) -> list[Erasure]:
    if kind == "accounts":
        people = await list_inactive_learners(db, tenant_id, before, BATCH)
        return [new_erasure(tenant_id, "account", now, account_id=one) for one in people]
    sessions = await list_old_sessions(db, tenant_id, before, BATCH)
    return [new_erasure(tenant_id, "session", now, session_id=one) for one in sessions]
