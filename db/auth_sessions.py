"""Sessions of signed-in people in their browsers. Owns auth_sessions."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from db import Connection
from db.accounts import Account

LIFE = timedelta(days=7)  # after sign-in
IDLE = timedelta(days=2)  # after the last request
SEEN_EVERY = timedelta(minutes=5)  # how exactly the last request is recorded


@dataclass(frozen=True)
class ProviderSession:
    """What the identity provider needs to end its own session; empty after other sign-ins.

    `sid` is the id of that session, or else of the person.
    """

    sid: str | None = None
    id_token: str | None = None


async def insert_auth_session(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    key: bytes,
    now: datetime,
    *,
    provider: ProviderSession,
) -> None:
    """Starts a session. Only the hash of its random key is stored."""
    await db.execute(
        """insert into auth_sessions (tenant_id, account_id, key_hash, created_at, last_seen_at,
                                      expires_at, provider_sid, id_token)
           values ($1, $2, $3, $4, $4, $5, $6, $7)""",
        tenant_id,
        account_id,
        _hash_key(key),
        now,
        now + LIFE,
        provider.sid,
        provider.id_token,
    )


async def find_account_and_touch_session(
    db: Connection, tenant_id: UUID, key: bytes, now: datetime
) -> Account | None:
    """The account of a session that has not ended, also if the account is blocked."""
    row = await db.fetchrow(
        """select a.id, a.tenant_id, a.subject, a.name, a.role, a.identity, a.blocked_at
           from auth_sessions s
           join accounts a on a.tenant_id = s.tenant_id and a.id = s.account_id
           where s.tenant_id = $1 and s.key_hash = $2 and s.expires_at > $3
             and s.last_seen_at > $4""",
        tenant_id,
        _hash_key(key),
        now,
        now - IDLE,
    )
    if row is None:
        return None
    await db.execute(
        """update auth_sessions set last_seen_at = $3
           where tenant_id = $1 and key_hash = $2 and last_seen_at <= $4""",
        tenant_id,
        _hash_key(key),
        now,
        now - SEEN_EVERY,
    )
    return Account(**row)


async def delete_auth_session(
    db: Connection, tenant_id: UUID, key: bytes
) -> ProviderSession | None:
    row = await db.fetchrow(
        """delete from auth_sessions where tenant_id = $1 and key_hash = $2
           returning provider_sid as sid, id_token""",
        tenant_id,
        _hash_key(key),
    )
    return None if row is None else ProviderSession(**row)


async def delete_auth_sessions_of(db: Connection, tenant_id: UUID, account_id: UUID) -> None:
    await db.execute(
        "delete from auth_sessions where tenant_id = $1 and account_id = $2", tenant_id, account_id
    )


async def delete_ended_auth_sessions(db: Connection, tenant_id: UUID, now: datetime) -> None:
    await db.execute(
        """delete from auth_sessions
           where tenant_id = $1 and (expires_at <= $2 or last_seen_at <= $3)""",
        tenant_id,
        now,
        now - IDLE,
    )


def _hash_key(key: bytes) -> bytes:
    """A plain hash suffices: the key is random, so nobody can guess it from the hash."""
    return hashlib.sha256(key).digest()
