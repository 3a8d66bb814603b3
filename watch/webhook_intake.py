"""Applies the webhooks in this host's inbox to Postgres."""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from db import AWAY, Pool, acquire, tenant_tx
from db.attendance import list_session_stretches
from db.local_inbox import LocalInbox, WaitingWebhook
from db.rooms import list_known_room_names
from db.stays import FINISHED, JOINED, LEFT
from db.tenants import list_tenants
from db.webhooks import apply_joins_and_departures, apply_room_end
from settings import Settings
from telemetry import metrics

BATCH = 200
BATCH_TIMEOUT_S = 20.0
IDLE_S = 0.2  # between polls of an empty inbox
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # the last one repeats while Postgres is away
EARLY_S = 1.0  # before retrying an event that arrived before its session's row
PATIENCE_S = 60.0  # how long a session's row may take to be committed
FORGET_EVERY_S = 3600.0

logger = logging.getLogger(__name__)


async def apply_webhooks(settings: Settings, pool: Pool) -> None:
    inbox = LocalInbox(settings.inbox_path)
    try:
        await WebhookIntake(inbox, pool).run()
    finally:
        await inbox.close()


class WebhookIntake:
    """Applies each event once, in any order.

    Several instances may run at once, on one inbox or on those of several hosts.
    """

    def __init__(self, inbox: LocalInbox, pool: Pool) -> None:
        self._inbox = inbox
        self._pool = pool
        self._tenants: dict[str, UUID] = {}  # by room name; a room never changes its tenant
        self._failures = 0

    async def run(self) -> None:
        forget_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout(BATCH_TIMEOUT_S):
                    taken = await self.apply_batch()
                    if clock() >= forget_at:
                        await self._inbox.delete_drained()
                        forget_at = clock() + FORGET_EVERY_S
                self._failures = 0
            except AWAY as error:
                await self._wait_for_database(error)
                continue
            except Exception:
                logger.exception("webhooks were not applied")
                await asyncio.sleep(RETRY_S[-1])
                continue
            if not taken:
                await asyncio.sleep(IDLE_S)

    async def apply_batch(self) -> int:
        webhooks = await self._inbox.list_waiting(BATCH)
        await self._learn_tenants_of_rooms({webhook.event.room for webhook in webhooks})
        for tenant_id in {self._tenants.get(webhook.event.room) for webhook in webhooks}:
            batch = [one for one in webhooks if self._tenants.get(one.event.room) == tenant_id]
            if tenant_id is None:
                logger.info("webhooks of unknown rooms skipped", extra={"count": len(batch)})
                await self._inbox.mark_drained(batch)
            else:
                await self._apply_tenant_webhooks(tenant_id, batch)
        return len(webhooks)

    async def _learn_tenants_of_rooms(self, names: set[str]) -> None:
        unknown = names - self._tenants.keys() - {""}
        if not unknown:
            return
        async with acquire(self._pool) as db:
            tenants = await list_tenants(db)
        for tenant in tenants:
            async with tenant_tx(self._pool, tenant.id) as db:
                known = await list_known_room_names(db, tenant.id, unknown)
            self._tenants |= dict.fromkeys(known, tenant.id)

    async def _apply_tenant_webhooks(
        self, tenant_id: UUID, batch: Sequence[WaitingWebhook]
    ) -> None:
        try:
            await self._apply_due_webhooks(tenant_id, batch)
        except AWAY:
            raise
        except Exception:  # noqa: BLE001 one event is bad: find it, apply the others
            for webhook in batch:
                await self._apply_or_set_aside(tenant_id, webhook)

    async def _apply_or_set_aside(self, tenant_id: UUID, webhook: WaitingWebhook) -> None:
        try:
            await self._apply_due_webhooks(tenant_id, [webhook])
        except AWAY:
            raise
        except Exception as error:
            name = type(error).__name__
            logger.exception(
                "webhook cannot be applied and is set aside", extra={"event": webhook.event.id}
            )
            await self._inbox.mark_failed(webhook, name)
            metrics.WEBHOOKS.inc(outcome="set_aside")

    async def _apply_due_webhooks(self, tenant_id: UUID, batch: Sequence[WaitingWebhook]) -> None:
        early = await self._find_early_webhooks(tenant_id, batch)
        due = [webhook for webhook in batch if webhook not in early]
        present = [webhook.event for webhook in due if webhook.event.name != FINISHED]
        async with tenant_tx(self._pool, tenant_id) as db:
            await apply_joins_and_departures(db, tenant_id, present)
        for event in (webhook.event for webhook in due if webhook.event.name == FINISHED):
            async with tenant_tx(self._pool, tenant_id) as db:
                await apply_room_end(db, tenant_id, event)
        await self._inbox.mark_drained(due)
        metrics.WEBHOOKS.inc(len(due), outcome="processed")
        await self._inbox.defer_rows(early, EARLY_S)

    async def _find_early_webhooks(
        self, tenant_id: UUID, batch: Sequence[WaitingWebhook]
    ) -> list[WaitingWebhook]:
        """Events of a LiveKit room whose session is not stored yet, but may soon be committed."""
        young = [
            webhook
            for webhook in batch
            if webhook.event.name in (JOINED, LEFT, FINISHED)
            and not webhook.event.agent
            and webhook.age_s < PATIENCE_S
        ]
        if not young:
            return []
        async with tenant_tx(self._pool, tenant_id) as db:
            sids = {webhook.event.room_sid for webhook in young}
            known = {one.room_sid for one in await list_session_stretches(db, tenant_id, sids)}
        return [webhook for webhook in young if webhook.event.room_sid not in known]

    async def _wait_for_database(self, error: BaseException) -> None:
        pause = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        logger.warning(
            "database unavailable, webhooks stay in the inbox",
            extra={"why": type(error).__name__, "retry_in_s": pause},
        )
        await asyncio.sleep(pause)
