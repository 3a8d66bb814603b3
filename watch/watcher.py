"""The watcher: keeps an agent in every room with a learner, and a room for every session.

Only one watcher of all hosts is active: the one that holds an advisory lock in the database.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from livekit import api

import rooms
from db import AWAY, Connection, NotFound, Pool, advisory_lock, tenant_tx
from db.leases import Lease, end_leased_session, list_leases
from db.tenants import list_tenants
from settings import Settings
from telemetry import alarm, metrics
from watch.leases import LeaseObserver, Verdict

LOCK = 0x626F6468  # advisory lock key
MEDIA_PATIENCE_S = 1.0
MISSED_S = 30.0  # a room without an agent for this long raises an alarm
ENFORCE_S = 1.0  # between two looks for people in rooms who may not be there, or not speak
RECONCILE_S = 15.0  # the media server gives up on a webhook after five tries in about this time
OUTSIDE = (*rooms.MEDIA_ERRORS, *AWAY)

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Watcher:
    """Checks every running session twice a second, and acts on each in its own task."""

    def __init__(
        self,
        settings: Settings,
        lk: api.LiveKitAPI,
        pool: Pool,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._lk = lk
        self._pool = pool
        self._clock = clock
        self._every_s = settings.lease_heartbeat.total_seconds()
        self._leases = LeaseObserver(settings.lease_stale.total_seconds(), 1.5 * self._every_s)
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._sees = True  # whether the media server responded last time

    async def run(self, db: Connection) -> None:
        """Runs until cancelled. Raises errors of `db`, the connection that holds the lock."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for lease, verdict in await self.judge_sessions(db):
                    if lease.session_id not in self._busy:
                        task = tasks.create_task(self._act_and_log_failure(lease, verdict))
                        self._busy[lease.session_id] = task
                await asyncio.sleep(self._every_s)

    async def judge_sessions(self, db: Connection) -> list[tuple[Lease, Verdict]]:
        tenants = await list_tenants(db)
        async with db.transaction():
            leases = await list_leases(db, [tenant.id for tenant in tenants])
        live = await self._list_live_rooms(leases)
        due = self._leases.judge_leases(leases, live, asyncio.get_running_loop().time())
        self._report_waits()
        return due

    def _report_waits(self) -> None:
        waits = self._leases.waits_for_agent_s()
        metrics.ROOMS_WITHOUT_AGENT.set(len(waits))
        metrics.LEASE_AGE.set(self._leases.oldest_heartbeat_s())
        for wait_s in self._leases.ended_waits:
            metrics.REPLACE_SECONDS.observe(wait_s)
        longest_s = max(waits, default=0.0)
        alarm("agent_missing", longest_s > MISSED_S, rooms=len(waits), seconds=round(longest_s))

    async def _list_live_rooms(self, leases: list[Lease]) -> dict[str, str] | None:
        """Sids of the live rooms by name; None if the media server does not respond."""
        if not leases:
            return {}
        try:
            async with asyncio.timeout(MEDIA_PATIENCE_S):
                live = await rooms.list_room_sids(self._lk, [one.room_name for one in leases])
        except rooms.MEDIA_ERRORS as error:
            if self._sees:
                logger.warning("media server does not respond", extra={"kind": _error_kind(error)})
            self._sees = False
            return None
        if not self._sees:
            logger.info("media server responds again")
        self._sees = True
        return live

    async def _act_and_log_failure(self, lease: Lease, verdict: Verdict) -> None:
        facts = {"session_id": str(lease.session_id), "epoch": lease.epoch, "reason": verdict}
        try:
            if await self.act_on_verdict(lease, verdict):
                metrics.REDISPATCHES.inc(reason=verdict)
                logger.warning("watcher acted", extra=facts)
        except (*OUTSIDE, NotFound) as error:
            logger.warning("watcher failed", extra={**facts, "kind": _error_kind(error)})
        except Exception:
            logger.exception("watcher failed", extra=facts)
        finally:
            del self._busy[lease.session_id]

    async def act_on_verdict(self, lease: Lease, verdict: Verdict) -> bool:
        parts = (self._settings, self._lk)
        match verdict:
            case "ask":
                await rooms.repeat_dispatch(*parts, lease)
                return True
            case "replace":
                return await rooms.replace_agent(*parts, self._pool, lease, self._clock())
            case "remake":
                return await rooms.recreate_room_and_dispatch_agent(
                    *parts, self._pool, lease, self._clock()
                )
            case "end":
                return await self._end_session(lease)

    async def _end_session(self, lease: Lease) -> bool:
        async with tenant_tx(self._pool, lease.tenant_id) as db:
            await end_leased_session(
                db, lease.tenant_id, lease.session_id, lease.epoch, self._clock()
            )
        return True


async def keep_watch(settings: Settings, lk: api.LiveKitAPI, pool: Pool) -> None:
    """Waits for the lock, then watches. Raises database errors."""
    async with advisory_lock(settings.watch_dsn, LOCK) as db:
        logger.info("watching")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(Watcher(settings, lk, pool).run(db))
                # each in a task of its own: none holds up another
                for work, every_s, failure in _list_repeated_work(settings, lk, pool):
                    tasks.create_task(_repeat_forever(work, every_s, failure))
        finally:  # the next watcher, maybe on another host, reports these
            metrics.ROOMS_WITHOUT_AGENT.set(0)
            alarm("agent_missing", False)


def _list_repeated_work(
    settings: Settings, lk: api.LiveKitAPI, pool: Pool
) -> list[tuple[Callable[[], Awaitable[None]], float, str]]:
    """Each with the seconds between two runs, and the log message of a failure."""
    return [
        (
            lambda: rooms.reconcile_attendance(lk, pool, utc_now),
            RECONCILE_S,
            "attendance not reconciled",
        ),
        (lambda: rooms.remove_blocked_people(lk, pool), ENFORCE_S, "blocked accounts not removed"),
        (
            lambda: rooms.remove_people_without_consent(settings, lk, pool),
            ENFORCE_S,
            "people without consent not removed",
        ),
        (lambda: rooms.enforce_restrictions(lk, pool), ENFORCE_S, "restrictions not enforced"),
    ]


async def _repeat_forever(
    work: Callable[[], Awaitable[None]], every_s: float, failure: str
) -> None:
    """Forever. A failure is logged with this message, and the work is tried again."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except OUTSIDE as error:
            logger.warning(failure, extra={"kind": _error_kind(error)})
        except Exception:
            logger.exception(failure)


def _error_kind(error: Exception) -> str:
    return type(error).__name__
