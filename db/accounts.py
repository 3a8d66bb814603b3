"""Accounts. Owns accounts; mints LiveKit identities."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from courses.one_line import one_line
from db import Connection, fetch_one
from db.invitations import merge_invitations
from protocol import Role

IDENTITY_PREFIXES: Mapping[Role, str] = {"learner": "l_", "teacher": "m_", "admin": "m_"}


@dataclass(frozen=True)
class Account:
    """`subject` is None until an invited person signs in for the first time."""

    id: UUID
    tenant_id: UUID
    subject: str | None
    name: str
    role: Role
    identity: str
    blocked_at: datetime | None = None


async def upsert_signed_in_account(
    db: Connection,
    tenant_id: UUID,
    *,
    subject: str,
    name: str,
    role: Role,
    email: str | None = None,
    issued_at: datetime | None = None,
) -> Account:
    """Creates the account at the first sign-in, or updates its name, role and e-mail address.

    `email` must be verified. `issued_at` is when the sign-in's token was issued: an older token
    than the last one changes nothing, so that it cannot restore a role that was taken away. A role
    given by an operator stays. The name is stored on one line. The identity never changes.
    """
    sign_in = _SignIn(subject, one_line(name) or "User", role, email, issued_at)
    account = await _update_account(db, tenant_id, sign_in)
    if account is None and email is not None:
        account = await _accept_invitation(db, tenant_id, sign_in)
    return account or await _insert_account(db, tenant_id, sign_in)


@dataclass(frozen=True)
class _SignIn:
    subject: str
    name: str
    role: Role
    email: str | None
    issued_at: datetime | None


async def _update_account(db: Connection, tenant_id: UUID, sign_in: _SignIn) -> Account | None:
    """Writes only for a new token: this runs at every request with a bearer token."""
    values = (sign_in.name, sign_in.role, sign_in.email, sign_in.issued_at)
    current = await db.fetchval(
        """select name = $3 and role = coalesce(given_role, $4)
                  and email is not distinct from coalesce($5, email)
                  and claims_at is not distinct from coalesce($6, claims_at)
                  or coalesce(claims_at > $6, false)
           from accounts where tenant_id = $1 and subject = $2""",
        tenant_id,
        sign_in.subject,
        *values,
    )
    if current is False:
        await db.execute(
            """update accounts
               set name = $3, role = coalesce(given_role, $4), email = coalesce($5, email),
                   claims_at = coalesce($6, claims_at)
               where tenant_id = $1 and subject = $2""",
            tenant_id,
            sign_in.subject,
            *values,
        )
    account = await _find_by_subject(db, tenant_id, sign_in.subject)
    if account is None or current or sign_in.email is None:
        return account
    await merge_invitations(db, tenant_id, account.id, sign_in.email)
    return await _find_by_subject(db, tenant_id, sign_in.subject)


async def _accept_invitation(db: Connection, tenant_id: UUID, sign_in: _SignIn) -> Account | None:
    """Binds the account that an operator made for the e-mail address to the subject."""
    await db.execute(
        """update accounts set subject = $2, name = $3, claims_at = $5
           where tenant_id = $1 and id = (
             select id from accounts
             where tenant_id = $1 and email = $4 and subject is null
             order by created_at limit 1 for update)""",
        tenant_id,
        sign_in.subject,
        sign_in.name,
        sign_in.email,
        sign_in.issued_at,
    )
    return await _find_by_subject(db, tenant_id, sign_in.subject)


async def _insert_account(db: Connection, tenant_id: UUID, sign_in: _SignIn) -> Account:
    """The new account is blocked if another one with the same e-mail address is."""
    row = await fetch_one(
        db,
        """insert into accounts
             (tenant_id, subject, name, role, identity, email, claims_at, blocked_at)
           values ($1, $2, $3, $4, $5, $6, $7,
                   (select min(blocked_at) from accounts where tenant_id = $1 and email = $6))
           on conflict (tenant_id, subject) do update set name = excluded.name
           returning id, tenant_id, subject, name, role, identity, blocked_at""",
        tenant_id,
        sign_in.subject,
        sign_in.name,
        sign_in.role,
        mint_identity(sign_in.role),
        sign_in.email,
        sign_in.issued_at,
    )
    return Account(**row)


async def _find_by_subject(db: Connection, tenant_id: UUID, subject: str) -> Account | None:
    row = await db.fetchrow(
        """select id, tenant_id, subject, name, role, identity, blocked_at
           from accounts where tenant_id = $1 and subject = $2""",
        tenant_id,
        subject,
    )
    return None if row is None else Account(**row)


async def insert_invited(db: Connection, tenant_id: UUID, email: str, role: Role) -> Account:
    """An account for the person who first signs in with this e-mail address, in lower case."""
    row = await fetch_one(
        db,
        """insert into accounts (tenant_id, name, role, given_role, identity, email)
           values ($1, $2, $3, $3, $4, $2)
           returning id, tenant_id, subject, name, role, identity, blocked_at""",
        tenant_id,
        email,
        role,
        mint_identity(role),
    )
    return Account(**row)


async def find_account(db: Connection, tenant_id: UUID, account_id: UUID) -> Account | None:
    row = await db.fetchrow(
        """select id, tenant_id, subject, name, role, identity, blocked_at
           from accounts where tenant_id = $1 and id = $2""",
        tenant_id,
        account_id,
    )
    return None if row is None else Account(**row)


async def list_accounts_of(db: Connection, tenant_id: UUID, who: str) -> list[Account]:
    """The accounts of a person, by e-mail address, account id or `sub` of the sign-in."""
    rows = await db.fetch(
        """select id, tenant_id, subject, name, role, identity, blocked_at from accounts
           where tenant_id = $1 and (email = lower($2) or id::text = lower($2) or subject = $2)
           order by created_at, id""",
        tenant_id,
        who,
    )
    return [Account(**row) for row in rows]


async def list_ids_by_identity(
    db: Connection, tenant_id: UUID, identities: Collection[str]
) -> dict[str, UUID]:
    rows = await db.fetch(
        "select identity, id from accounts where tenant_id = $1 and identity = any($2)",
        tenant_id,
        list(identities),
    )
    return {row["identity"]: row["id"] for row in rows}


async def update_blocked_at(
    db: Connection, tenant_id: UUID, account_id: UUID, blocked_at: datetime | None
) -> None:
    """Blocks the account since that time, or unblocks it with None."""
    await db.execute(
        "update accounts set blocked_at = $3 where tenant_id = $1 and id = $2",
        tenant_id,
        account_id,
        blocked_at,
    )


async def update_given_role(
    db: Connection, tenant_id: UUID, account_id: UUID, role: Role | None
) -> None:
    """Gives the account a role that stays. With None it is a learner until its next sign-in."""
    await db.execute(
        """update accounts set given_role = $3, role = coalesce($3, 'learner'), claims_at = null
           where tenant_id = $1 and id = $2""",
        tenant_id,
        account_id,
        role,
    )


async def list_identities_by_id(
    db: Connection, tenant_id: UUID, account_ids: Collection[UUID]
) -> dict[UUID, str]:
    rows = await db.fetch(
        "select id, identity from accounts where tenant_id = $1 and id = any($2)",
        tenant_id,
        list(account_ids),
    )
    return {row["id"]: row["identity"] for row in rows}


def mint_identity(role: Role) -> str:
    return IDENTITY_PREFIXES[role] + secrets.token_urlsafe(18)
