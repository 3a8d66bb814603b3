"""Removes what is older than it may be kept, each night."""

import logging
from datetime import datetime, timedelta
from typing import assert_never
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

BATCH = 50  # sessions or accounts in one transaction

logger = logging.getLogger(__name__)


async def remove_old_data(work: Work) -> None:
    """Safe to repeat: each batch deletes and counts in a transaction of its own."""
    now = work.parts.clock()
    async with tenant_tx(work.parts.pool, work.tenant_id) as db:
        rules = await list_days(db, work.tenant_id, work.parts.retention)
    for kind, days in rules.items():
        if days:
            await _remove_kind(work, kind, now, now - timedelta(days=days))
    async with work.finish():
        pass


async def _remove_kind(work: Work, kind: RetentionKind, now: datetime, before: datetime) -> None:
    total = 0
    while True:
        async with tenant_tx(work.parts.pool, work.tenant_id) as db:
            removed = await _remove_batch(work, db, kind, now, before)
            if removed:
                removal = Removal(kind, now.date(), before, removed)
                await add_removal(db, work.tenant_id, removal)
        total += removed
        if not removed:
            break
    if total:
        logger.info("old data removed", extra={"kind": kind, "count": total})


async def _remove_batch(
    work: Work, db: Connection, kind: RetentionKind, now: datetime, before: datetime
) -> int:
    tenant_id = work.tenant_id
    match kind:
        case "transcripts":
            sessions = await list_sessions_with_old_words(db, tenant_id, before, BATCH)
            return await delete_words_of_sessions(db, tenant_id, sessions)
        case "sessions":
            sessions = await list_old_sessions(db, tenant_id, before, BATCH)
            return await _erase_all(work, db, [_session(tenant_id, one, now) for one in sessions])
        case "accounts":
            people = await list_inactive_learners(db, tenant_id, before, BATCH)
            return await _erase_all(work, db, [_account(tenant_id, one, now) for one in people])
        case "dead_letters":
            return await delete_old_dead_letters(db, tenant_id, before)
        case "access_log":
            return await delete_old_reads(db, tenant_id, before)
        case _:
            assert_never(kind)


def _session(tenant_id: UUID, session_id: UUID, now: datetime) -> Erasure:
    return new_erasure(tenant_id, "session", now, session_id=session_id)


def _account(tenant_id: UUID, account_id: UUID, now: datetime) -> Erasure:
    return new_erasure(tenant_id, "account", now, account_id=account_id)


async def _erase_all(work: Work, db: Connection, erasures: list[Erasure]) -> int:
    for erasure in erasures:
        await delete_objects(work.parts.storage, erasure)
        delete = delete_account if erasure.kind == "account" else delete_session
        await delete(db, work.tenant_id, erasure)
    return len(erasures)
