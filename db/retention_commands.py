"""`python -m db retention`: how long each tenant keeps things, and what the next night removes."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from db import Connection, acquire, create_pool, tenant_tx
from db.retention import (
    KINDS,
    RetentionKind,
    count_rows_due,
    days_from_settings,
    delete_days,
    list_days,
    list_removals,
    update_days,
)
from db.tenant_commands import open_tenant
from db.tenants import Tenant, list_tenants
from settings import MOST_DAYS, Settings

REMOVALS = 10  # of each tenant


class RetentionError(Exception):
    """A rule cannot be set; the message says why."""


async def show_or_change_retention(
    settings: Settings, tenant_slug: str | None, changes: Sequence[str]
) -> None:
    """Prints the rules. First applies changes such as `transcripts=30` or `transcripts=default`.

    Raises RetentionError, TenantError.
    """
    rules = [_parse_rule(change) for change in changes]
    if tenant_slug is None:
        if rules:
            raise RetentionError("a rule belongs to a tenant: add --tenant")
        await _print_rules_of_all(settings)
        return
    async with (
        open_tenant(settings.jobs_dsn, tenant_slug) as (pool, tenant),
        tenant_tx(pool, tenant.id) as db,
    ):
        for kind, days in rules:
            await _change_rule(db, tenant, kind, days)
        await _print_rules(db, tenant, settings)


async def _print_rules_of_all(settings: Settings) -> None:
    async with await create_pool(settings.jobs_dsn, max_size=1) as pool:
        async with acquire(pool) as db:
            tenants = await list_tenants(db)
        for tenant in tenants:
            async with tenant_tx(pool, tenant.id) as db:
                await _print_rules(db, tenant, settings)


def _parse_rule(change: str) -> tuple[RetentionKind, int | None]:
    kind, _, days = change.partition("=")
    if kind not in KINDS or not (days.isdecimal() or days == "default"):
        raise RetentionError(f"{change} is not a rule: write {'|'.join(KINDS)}=DAYS, or =default")
    if days.isdecimal() and int(days) > MOST_DAYS:
        raise RetentionError(f"{change} is too long: at most {MOST_DAYS} days, or 0 for forever")
    return kind, int(days) if days.isdecimal() else None


async def _change_rule(
    db: Connection, tenant: Tenant, kind: RetentionKind, days: int | None
) -> None:
    if days is None:
        await delete_days(db, tenant.id, kind)
    else:
        await update_days(db, tenant.id, kind, days)


async def _print_rules(db: Connection, tenant: Tenant, settings: Settings) -> None:
    now = datetime.now(UTC)
    sys.stdout.write(f"tenant {tenant.slug}\n")
    for kind, days in (await list_days(db, tenant.id, days_from_settings(settings))).items():
        due = await count_rows_due(db, tenant.id, kind, now - timedelta(days=days)) if days else 0
        kept = f"{days} days" if days else "forever"
        sys.stdout.write(f"  {kind}: kept {kept}, {due} to be removed\n")
    for removal in await list_removals(db, tenant.id, REMOVALS):
        sys.stdout.write(f"  {removal.day}: {removal.removed} {removal.kind} removed\n")
