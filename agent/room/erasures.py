"""Finds out within two seconds when a learner erases what they said in the running session."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

import db
from agent.room.dispatch import Dispatch
from db.erasing import ErasedWords, list_erased_words

REREAD_EVERY_S = 1.0

logger = logging.getLogger(__name__)


class Erasures:
    def __init__(
        self, dispatch: Dispatch, pool: db.Pool, on_erased: Callable[[ErasedWords], None]
    ) -> None:
        """Calls `on_erased` for each new erasure, and again if it reaches segments stored later."""
        self._dispatch = dispatch
        self._pool = pool
        self._on_erased = on_erased
        self._known: dict[UUID, ErasedWords] = {}

    async def reread_forever(self) -> None:
        while True:
            await self.reread()
            await asyncio.sleep(REREAD_EVERY_S)

    async def reread(self) -> None:
        """Changes nothing if the database is away."""
        dispatch = self._dispatch
        try:
            async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
                found = await list_erased_words(conn, dispatch.tenant_id, [dispatch.session.id])
        except db.AWAY:
            logger.warning("erasures not read: the database is away")
            return
        for erased in found:
            if self._known.get(erased.account_id) != erased:
                self._known[erased.account_id] = erased
                self._on_erased(erased)
