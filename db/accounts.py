"""Accounts. Owns accounts; mints LiveKit identities."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from db import Connection, fetch_one
from protocol import Role

IDENTITY_PREFIXES: Mapping[Role, str] = {"learner": "l_", "teacher": "m_", "admin": "m_"}


@dataclass(frozen=True)
class Account:
    id: UUID
    tenant_id: UUID
    subject: str
    name: str
    role: Role
    identity: str


async def ensure_account(
    db: Connection, tenant_id: UUID, *, subject: str, name: str, role: Role
) -> Account:
    """Creates the account at the first sign-in, or updates its name and role.

    The identity never changes.
    """
    row = await fetch_one(
        db,
        """insert into accounts (tenant_id, subject, name, role, identity)
           values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, subject)
             do update set name = excluded.name, role = excluded.role
           returning id, tenant_id, subject, name, role, identity""",
        tenant_id,
        subject,
        name,
        role,
        mint_identity(role),
    )
    return Account(**row)


async def find_account(db: Connection, tenant_id: UUID, account_id: UUID) -> Account | None:
    row = await db.fetchrow(
        """select id, tenant_id, subject, name, role, identity
           from accounts where tenant_id = $1 and id = $2""",
        tenant_id,
        account_id,
    )
    return None if row is None else Account(**row)


async def find_account_by_identity(
    db: Connection, tenant_id: UUID, identity: str
) -> Account | None:
    row = await db.fetchrow(
        """select id, tenant_id, subject, name, role, identity
           from accounts where tenant_id = $1 and identity = $2""",
        tenant_id,
        identity,
    )
    return None if row is None else Account(**row)


async def list_account_ids(
    db: Connection, tenant_id: UUID, identities: Collection[str]
) -> dict[str, UUID]:
    rows = await db.fetch(
        "select identity, id from accounts where tenant_id = $1 and identity = any($2)",
        tenant_id,
        list(identities),
    )
    return {row["identity"]: row["id"] for row in rows}


def mint_identity(role: Role) -> str:
    return IDENTITY_PREFIXES[role] + secrets.token_urlsafe(18)
