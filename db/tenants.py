"""Tenants. Owns tenants, the only table that all tenants share."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from db import Connection, fetch_one
from settings import RoomScope

GuardianConsent = Literal["off", "required"]

DEFAULT = "default"  # created by the first migration


@dataclass(frozen=True)
class Tenant:
    id: UUID
    slug: str
    name: str


@dataclass(frozen=True)
class TenantPolicy:
    """A tenant's own rules. `room_scope` is None where ROOM_SCOPE applies."""

    room_scope: RoomScope | None
    guardian_consent: GuardianConsent


async def find_tenant(db: Connection, slug: str) -> Tenant | None:
    row = await db.fetchrow("select id, slug, name from tenants where slug = $1", slug)
    return None if row is None else Tenant(**row)


async def find_tenant_by_id(db: Connection, tenant_id: UUID) -> Tenant | None:
    row = await db.fetchrow("select id, slug, name from tenants where id = $1", tenant_id)
    return None if row is None else Tenant(**row)


async def list_tenants(db: Connection) -> list[Tenant]:
    rows = await db.fetch("select id, slug, name from tenants order by slug")
    return [Tenant(**row) for row in rows]


async def ensure_tenant(db: Connection, slug: str, name: str) -> Tenant:
    """Creates the tenant if it is missing. An existing one keeps its name."""
    await db.execute(
        "insert into tenants (slug, name) values ($1, $2) on conflict (slug) do nothing", slug, name
    )
    row = await fetch_one(db, "select id, slug, name from tenants where slug = $1", slug)
    return Tenant(**row)


async def select_policy(db: Connection, tenant_id: UUID) -> TenantPolicy:
    row = await fetch_one(
        db, "select room_scope, guardian_consent from tenants where id = $1", tenant_id
    )
    return TenantPolicy(**row)


async def update_policy(db: Connection, slug: str, policy: TenantPolicy) -> None:
    """Needs the owner's connection: the application only reads tenants."""
    await db.execute(
        "update tenants set room_scope = $2, guardian_consent = $3 where slug = $1",
        slug,
        policy.room_scope,
        policy.guardian_consent,
    )
