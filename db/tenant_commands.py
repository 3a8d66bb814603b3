"""`python -m db tenant`: the rules of a tenant."""

import sys

from db import acquire, create_pool
from db.tenants import (
    GuardianConsent,
    TenantPolicy,
    find_tenant,
    select_policy,
    update_policy,
)
from settings import RoomScope, Settings


class TenantError(Exception):
    """There is no such tenant; the message says what to do."""


async def change_tenant(
    settings: Settings,
    slug: str,
    room_scope: RoomScope | None,
    guardian_consent: GuardianConsent | None,
) -> None:
    """Sets a tenant's rules, None leaves one unchanged, and prints them. Raises TenantError."""
    pool = await create_pool(settings.owner_dsn, max_size=1)
    try:
        async with acquire(pool) as db:
            tenant = await find_tenant(db, slug)
            if tenant is None:
                raise TenantError(f"there is no tenant {slug}: `python -m db import` creates one")
            before = await select_policy(db, tenant.id)
            policy = TenantPolicy(
                room_scope=room_scope or before.room_scope,
                guardian_consent=guardian_consent or before.guardian_consent,
            )
            await update_policy(db, slug, policy)
    finally:
        await pool.close()
    rooms = policy.room_scope or f"{settings.room_scope} (from ROOM_SCOPE)"
    sys.stdout.write(f"{slug}: rooms {rooms}, guardian's consent {policy.guardian_consent}\n")
