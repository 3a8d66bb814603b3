"""One changer of a room at a time, on all hosts.

The media server merges concurrent updates, and the last one sent does not always win. The lock is a
row, not a transaction, so no connection of the pool waits for the media server.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from db import AWAY, Pool, tenant_tx
from db.rooms import release_room_lock, take_room_lock

WAIT_S = 5.0
HOLD_S = 5.0
EXPIRES = timedelta(seconds=7)  # longer than HOLD_S; the holder's process may have been killed
RETRY_S = 0.05

_queues: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()  # of this process

logger = logging.getLogger(__name__)


@asynccontextmanager
async def hold_room(pool: Pool, tenant_id: UUID, room_id: UUID) -> AsyncIterator[None]:
    """Makes the caller the only one who changes the room on the media server.

    Raises TimeoutError after WAIT_S without the lock, or if the body takes longer than HOLD_S.
    """
    holder = uuid4()
    queue = _queues.setdefault(room_id, asyncio.Lock())
    async with AsyncExitStack() as held:
        async with asyncio.timeout(WAIT_S):
            await held.enter_async_context(queue)
            # before taking it: the time may be over while the database commits
            held.push_async_callback(_release_lock, pool, tenant_id, room_id, holder)
            await _wait_for_lock(pool, tenant_id, room_id, holder)
        async with asyncio.timeout(HOLD_S):
            yield


async def _wait_for_lock(pool: Pool, tenant_id: UUID, room_id: UUID, holder: UUID) -> None:
    while True:
        async with tenant_tx(pool, tenant_id) as db:
            if await take_room_lock(db, tenant_id, room_id, holder, EXPIRES):
                return
        await asyncio.sleep(RETRY_S)


async def _release_lock(pool: Pool, tenant_id: UUID, room_id: UUID, holder: UUID) -> None:
    try:
        async with tenant_tx(pool, tenant_id) as db:
            await release_room_lock(db, tenant_id, room_id, holder)
    except AWAY as error:
        logger.warning("room lock not released", extra={"kind": type(error).__name__})
