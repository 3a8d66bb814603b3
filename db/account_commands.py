"""What an operator does to accounts: `python -m db admin`, `role`, `block`, `unblock`."""

import sys
from datetime import datetime
from uuid import UUID

from db import Connection
from db.accounts import (
    Account,
    insert_invited,
    list_accounts_of,
    update_blocked_at,
    update_given_role,
)
from db.auth_sessions import delete_auth_sessions_of
from db.consent_texts import ConsentText
from db.consents import insert_consents_and_set_storing, withdraw_consents
from protocol import Role


class AccountError(Exception):
    """The command fits no account, or several."""


async def give_role(db: Connection, tenant_id: UUID, who: str, role: Role | None) -> None:
    """Gives an account a role, or with None leaves its role to the sign-in again.

    Raises AccountError unless `who` is exactly one account.
    """
    account = await select_one_account(db, tenant_id, who)
    await update_given_role(db, tenant_id, account.id, role)
    print_line(f"{who} is {role}" if role else f"the sign-in of {who} decides the role again")


async def make_or_invite_admin(db: Connection, tenant_id: UUID, email: str) -> None:
    """Promotes the account, or makes one for the person's first sign-in. Raises AccountError."""
    if await list_accounts_of(db, tenant_id, email):
        await give_role(db, tenant_id, email, "admin")
        return
    if "@" not in email:
        raise AccountError(f"no account is called {email}: write the person's e-mail address")
    await insert_invited(db, tenant_id, email.lower(), "admin")
    print_line(f"{email} will be admin after signing in for the first time")


async def block_person(db: Connection, tenant_id: UUID, who: str, now: datetime) -> None:
    """Blocks all accounts of the person and ends their sessions. Raises AccountError."""
    for account in await _list_accounts(db, tenant_id, who):
        if account.blocked_at is None:
            await update_blocked_at(db, tenant_id, account.id, now)
        await delete_auth_sessions_of(db, tenant_id, account.id)
    print_line(f"{who} is blocked")


async def unblock_person(db: Connection, tenant_id: UUID, who: str) -> None:
    for account in await _list_accounts(db, tenant_id, who):
        await update_blocked_at(db, tenant_id, account.id, None)
    print_line(f"{who} is not blocked any more")


async def select_one_account(db: Connection, tenant_id: UUID, who: str) -> Account:
    """Raises AccountError unless `who` is exactly one account."""
    accounts = await _list_accounts(db, tenant_id, who)
    if len(accounts) > 1:
        ids = ", ".join(str(account.id) for account in accounts)
        raise AccountError(f"several accounts are called {who}: name one by its id ({ids})")
    return accounts[0]


async def record_guardian_consent(
    db: Connection, tenant_id: UUID, who: str, text: ConsentText, now: datetime
) -> None:
    """Prints the text that the guardian agreed to. Raises AccountError."""
    for account in await _list_accounts(db, tenant_id, who):
        await insert_consents_and_set_storing(db, tenant_id, account.id, [text], now)
    print_line(f"recorded for {who}, version {text.policy_version}:\n{text.text}")


async def withdraw_guardian_consent(
    db: Connection, tenant_id: UUID, who: str, now: datetime
) -> None:
    for account in await _list_accounts(db, tenant_id, who):
        await withdraw_consents(db, tenant_id, account.id, ["guardian"], now)
    print_line(f"withdrawn for {who}")


async def _list_accounts(db: Connection, tenant_id: UUID, who: str) -> list[Account]:
    accounts = await list_accounts_of(db, tenant_id, who)
    if not accounts:
        raise AccountError(
            f"no account is called {who}: write its e-mail address, its id "
            "or its `sub` at the identity provider, and --tenant if it is not the default one"
        )
    return accounts


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
