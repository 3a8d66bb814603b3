"""Checks what this host's processes need, and reports the results as metrics and alarms."""

import asyncio
import logging
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from livekit import api

import rooms
from db import AWAY, Pool, acquire, tenant_tx
from db.local_inbox import LocalInbox
from db.queue import JobCounts, count_jobs
from db.tenants import list_tenants
from db.transcripts import count_dead_letters
from settings import Settings
from speech.client import SpeechError, client_for
from speech.voice.client import VoiceClient, VoiceProcessError
from speech.voice.models import ESPEAK
from telemetry import AlarmName, alarm, metrics
from telemetry.gather import list_living_after_burying_dead
from telemetry.startup import metrics_dir

EVERY_S = 2.0
PATIENCE_S = 3.0  # timeout of one check
MISSES = 2  # failed checks in a row that raise an alarm
WEBHOOK_S = (
    90.0  # a webhook may wait a minute for its session's row (watch.webhook_intake.PATIENCE_S)
)
JOB_S = 300.0  # a background job may be due for this long
FREE_MB = 500
SKEW_S = 5.0  # tokens tolerate a minute

OUTSIDE = (*rooms.MEDIA_ERRORS, *AWAY, rooms.MediaUnavailable, SpeechError, VoiceProcessError)

logger = logging.getLogger(__name__)


class HostChecks:
    def __init__(self, settings: Settings, lk: api.LiveKitAPI, pool: Pool) -> None:
        self._settings = settings
        self._lk = lk
        self._pool = pool
        self._inbox = LocalInbox(settings.inbox_path)
        self._engine = client_for(settings)
        self._voice = VoiceClient(settings.voice_address)
        self._missed: dict[AlarmName, int] = {}
        self._failed_webhooks = 0

    async def run(self) -> None:
        try:
            while True:
                await self.run_checks()
                await asyncio.sleep(EVERY_S)
        finally:
            await self._engine.aclose()
            await self._voice.aclose()
            await self._inbox.close()

    async def run_checks(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._ask_and_set_alarm("database_away", self._check_database_and_its_queues)
            )
            tasks.create_task(
                self._ask_and_set_alarm("media_away", lambda: rooms.check_media(self._lk))
            )
            address = self._settings.speech_engine_address
            if not isinstance(address, Path) or address.exists():  # if there is an engine
                tasks.create_task(
                    self._ask_and_set_alarm("speech_engine_away", self._check_speech_engine)
                )
            espeak_alone = self._settings.voice_model == ESPEAK
            if self._settings.voice_address.exists() and not espeak_alone:
                tasks.create_task(self._ask_and_set_alarm("voice_away", self._check_voice))
            tasks.create_task(self._check_inbox())
        free_mb = shutil.disk_usage(self._settings.bodh_home).free // 2**20
        metrics.DISK_FREE.set(free_mb * 2**20)
        alarm("disk_low", free_mb < FREE_MB, free_mb=free_mb)
        await self._check_drainer()

    async def _ask_and_set_alarm(self, name: AlarmName, ask: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await ask()
            self._clear_alarm(name)
        except OUTSIDE as error:
            self._count_miss_and_alarm(name, kind=type(error).__name__)

    def _clear_alarm(self, name: AlarmName) -> None:
        self._missed[name] = 0
        alarm(name, False)

    def _count_miss_and_alarm(self, name: AlarmName, **facts: str) -> None:
        self._missed[name] = self._missed.get(name, 0) + 1
        alarm(name, self._missed[name] >= MISSES, **facts)

    async def _check_database_and_its_queues(self) -> None:
        asked = time.time()
        async with acquire(self._pool) as db:
            db_time: float = await db.fetchval(
                "select extract(epoch from clock_timestamp())::float8"
            )
            tenants = await list_tenants(db)
        answered = time.time()
        skew_s = max(asked - db_time, db_time - answered, 0.0)
        metrics.CLOCK_SKEW.set(skew_s)
        alarm("clock_skew", skew_s > SKEW_S, skew_s=round(skew_s))
        count = self._failed_webhooks
        jobs = []
        for tenant in tenants:
            async with tenant_tx(self._pool, tenant.id) as db:
                count += await count_dead_letters(db, tenant.id)
                jobs.append(await count_jobs(db, tenant.id, datetime.fromtimestamp(db_time, UTC)))
        alarm("dead_letters", count > 0, count=count)
        _report_background_jobs(jobs)

    async def _check_speech_engine(self) -> None:
        await self._engine.health()

    async def _check_voice(self) -> None:
        await self._voice.health()

    async def _check_inbox(self) -> None:
        try:
            waiting = await self._inbox.count_waiting()
            oldest_s = await self._inbox.oldest_waiting_s()
            self._failed_webhooks = await self._inbox.count_failed()
        except sqlite3.Error as error:  # locked or read-only: continue with the other checks
            logger.warning("inbox could not be checked", extra={"kind": type(error).__name__})
            return
        metrics.INBOX_WAITING.set(waiting)
        metrics.INBOX_OLDEST.set(oldest_s)
        alarm("webhooks_waiting", oldest_s > WEBHOOK_S, waiting=waiting, oldest_s=round(oldest_s))

    async def _check_drainer(self) -> None:
        """A running drainer raises its own alarms; a missing one cannot."""
        if not self._settings.spool_path.exists():
            return
        alive = await asyncio.to_thread(list_living_after_burying_dead, metrics_dir(self._settings))
        if "drain" in alive:
            self._clear_alarm("drainer_away")
        else:
            self._count_miss_and_alarm("drainer_away")


def _report_background_jobs(counts: list[JobCounts]) -> None:
    pending, failed = sum(one.pending for one in counts), sum(one.failed for one in counts)
    oldest_s = max((one.oldest_s for one in counts), default=0.0)
    metrics.JOBS_PENDING.set(pending)
    metrics.JOBS_OLDEST.set(oldest_s)
    metrics.JOBS_FAILED.set(failed)
    alarm("jobs_waiting", oldest_s > JOB_S, waiting=pending, oldest_s=round(oldest_s))
    alarm("jobs_failed", failed > 0, count=failed)
