"""The tenant of an operator's command, and `python -m db tenant`: its rules."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db import Pool, acquire, create_pool
from db.tenants import (
    GuardianConsent,
    Tenant,
    TenantPolicy,
    find_tenant,
    select_policy,
    update_policy,
)
from settings import RoomScope, Settings


class TenantError(Exception):
    """There is no such tenant; the message says what to do."""


@asynccontextmanager
async def open_tenant(dsn: str, slug: str) -> AsyncIterator[tuple[Pool, Tenant]]:
    """A pool of one connection, and the tenant. Raises TenantError."""
    async with await create_pool(dsn, max_size=1) as pool:
        async with acquire(pool) as db:
            tenant = await find_tenant(db, slug)
        if tenant is None:
            raise TenantError(f"there is no tenant {slug}: `python -m db import` creates one")
        yield pool, tenant


async def change_and_print_tenant(
    settings: Settings,
    slug: str,
    room_scope: RoomScope | None,
    guardian_consent: GuardianConsent | None,
) -> None:
    """Sets a tenant's rules, None leaves one unchanged, and prints them. Raises TenantError."""
    async with open_tenant(settings.owner_dsn, slug) as (pool, tenant), acquire(pool) as db:
        before = await select_policy(db, tenant.id)
        policy = TenantPolicy(
            room_scope=room_scope or before.room_scope,
            guardian_consent=guardian_consent or before.guardian_consent,
        )
        await update_policy(db, slug, policy)
    rooms = policy.room_scope or f"{settings.room_scope} (from ROOM_SCOPE)"
    sys.stdout.write(f"{slug}: rooms {rooms}, guardian's consent {policy.guardian_consent}\n")
