"""Goes through the people of every tenant who are in a room now."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from db import Connection, Pool, acquire, tenant_tx
from db.tenants import list_tenants
from rooms.media import MEDIA_ERRORS

Person = TypeVar("Person")

logger = logging.getLogger(__name__)


async def act_on_everyone_present(
    pool: Pool,
    list_people: Callable[[Connection, UUID], Awaitable[Sequence[Person]]],
    act: Callable[[Person], Awaitable[None]],
) -> None:
    """Lists a tenant's people, then acts on each; a failure for one does not stop the others.

    Raises the last error of the media server at the end, and errors of the database at once.
    """
    async with acquire(pool) as db:
        tenants = await list_tenants(db)
    failure: BaseException | None = None
    for tenant in tenants:
        async with tenant_tx(pool, tenant.id) as db:
            people = await list_people(db, tenant.id)
        for person in people:
            try:
                await act(person)
            except MEDIA_ERRORS as error:
                failure = error
    if failure is not None:
        raise failure
