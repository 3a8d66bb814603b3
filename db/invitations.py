"""Accounts that an operator made for an e-mail address, before its person signed in.

They have no subject. Moves their rows of course_staff and consents.
"""

from datetime import datetime
from uuid import UUID

from db import Connection


async def merge_invitations(db: Connection, tenant_id: UUID, account_id: UUID, email: str) -> None:
    """Gives an account what was given to its e-mail address, and deletes the invited accounts.

    For a person who had an account before the invitation, but not with this address.
    """
    rows = await db.fetch(
        """select id, given_role, blocked_at from accounts
           where tenant_id = $1 and email = $2 and subject is null
           order by created_at for update""",
        tenant_id,
        email,
    )
    for row in rows:
        await _give_role_and_block(db, tenant_id, account_id, row["given_role"], row["blocked_at"])
        await _copy_staff_and_consents(db, tenant_id, row["id"], account_id)
        await db.execute(
            "delete from course_staff where tenant_id = $1 and account_id = $2",
            tenant_id,
            row["id"],
        )
        await db.execute(
            "delete from accounts where tenant_id = $1 and id = $2", tenant_id, row["id"]
        )


async def _give_role_and_block(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    given_role: str | None,
    blocked_at: datetime | None,
) -> None:
    """A role that an operator gave to the account itself stays."""
    await db.execute(
        """update accounts
           set given_role = coalesce(given_role, $3), role = coalesce(given_role, $3, role),
               blocked_at = least(blocked_at, $4)
           where tenant_id = $1 and id = $2""",
        tenant_id,
        account_id,
        given_role,
        blocked_at,
    )


async def _copy_staff_and_consents(
    db: Connection, tenant_id: UUID, invited_id: UUID, account_id: UUID
) -> None:
    await db.execute(
        """insert into course_staff (tenant_id, course_id, account_id, role, added_at)
           select tenant_id, course_id, $3, role, added_at from course_staff
           where tenant_id = $1 and account_id = $2
           on conflict do nothing""",
        tenant_id,
        invited_id,
        account_id,
    )
    await db.execute(
        """insert into consents (tenant_id, account_id, session_id, kind, policy_version, text_hash,
                                 given_at, withdrawn_at)
           select tenant_id, $3, session_id, kind, policy_version, text_hash, given_at, withdrawn_at
           from consents where tenant_id = $1 and account_id = $2
           on conflict do nothing""",
        tenant_id,
        invited_id,
        account_id,
    )
