"""Accounts: whose role counts, invitations, blocking, and the sessions of signed-in people."""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from db import Connection, Pool, tenant_tx
from db.account_commands import (
    AccountError,
    block_person,
    give_role,
    make_or_invite_admin,
    record_guardian_consent,
    unblock_person,
)
from db.accounts import (
    Account,
    find_account,
    insert_invited,
    list_accounts_of,
    upsert_signed_in_account,
)
from db.attendance import list_blocked_present, upsert_participants
from db.auth_sessions import (
    IDLE,
    LIFE,
    ProviderSession,
    delete_auth_session,
    delete_ended_auth_sessions,
    find_account_and_touch_session,
    insert_auth_session,
)
from db.consents import list_consents
from db.course_staff import list_staff, upsert_staff_role
from db.stays import ParticipantRow
from protocol import Role
from tests.conftest import ROOT, Database
from tests.db.rows import CONSENT, NOW, at, import_folder, make_learner, make_session

KEY, EMAIL = b"random key", "amina@school.example"
NOWHERE = ProviderSession()


async def sign_in(db: Connection, tenant_id: UUID, role: Role = "learner", **more: Any) -> Account:
    facts = {"subject": "amina", "name": "Amina", "role": role, **more}
    return await upsert_signed_in_account(db, tenant_id, **facts)


async def test_older_token_restores_no_role_that_was_taken_away(
    db: Connection, tenant_id: UUID
) -> None:
    assert (await sign_in(db, tenant_id, "admin", issued_at=at(0))).role == "admin"
    assert (await sign_in(db, tenant_id, "learner", issued_at=at(5))).role == "learner"
    assert (await sign_in(db, tenant_id, "admin", issued_at=at(0))).role == "learner"
    assert (await sign_in(db, tenant_id, "teacher", issued_at=at(9))).role == "teacher"


async def test_newer_token_that_changes_nothing_still_outdates_older_ones(
    db: Connection, tenant_id: UUID
) -> None:
    await sign_in(db, tenant_id, "learner", issued_at=at(0))
    await sign_in(db, tenant_id, "learner", issued_at=at(9))
    assert (await sign_in(db, tenant_id, "admin", issued_at=at(5))).role == "learner"


async def test_name_and_address_follow_the_sign_in(db: Connection, tenant_id: UUID) -> None:
    first = await sign_in(db, tenant_id, email=EMAIL)
    second = await sign_in(db, tenant_id, name="Amina K", email="new@school.example")
    third = await sign_in(db, tenant_id, name="Amina K")  # a token without the address
    assert (second.name, second.id, second.identity) == ("Amina K", first.id, first.identity)
    assert await list_accounts_of(db, tenant_id, "New@school.example") == [third]
    assert await list_accounts_of(db, tenant_id, EMAIL) == []


async def test_person_is_found_by_address_id_and_subject(db: Connection, tenant_id: UUID) -> None:
    account = await sign_in(db, tenant_id, email=EMAIL)
    for who in (EMAIL, EMAIL.upper(), str(account.id), "amina"):
        assert await list_accounts_of(db, tenant_id, who) == [account]
    assert await list_accounts_of(db, tenant_id, "Amina") == []


async def test_first_admin_is_invited_and_becomes_admin_at_the_first_sign_in(
    db: Connection, tenant_id: UUID
) -> None:
    await make_or_invite_admin(db, tenant_id, EMAIL.title())
    (invited,) = await list_accounts_of(db, tenant_id, EMAIL)
    stranger = await sign_in(db, tenant_id, subject="stranger")  # address not verified
    came = await sign_in(db, tenant_id, email=EMAIL, issued_at=NOW)
    assert (stranger.role, came.role) == ("learner", "admin")
    assert (came.id, came.subject, came.name) == (invited.id, "amina", "Amina")
    assert (await sign_in(db, tenant_id, email=EMAIL, issued_at=at(9))).role == "admin"


async def test_invitation_goes_to_the_account_that_gets_its_address_later(
    db: Connection, tenant_id: UUID
) -> None:
    """The person has signed in before, with a token that had no verified address."""
    before = await sign_in(db, tenant_id, issued_at=at(0))
    course = await import_folder(db, tenant_id)
    await make_or_invite_admin(db, tenant_id, EMAIL)
    (invited,) = await list_accounts_of(db, tenant_id, EMAIL)
    await upsert_staff_role(db, tenant_id, course.id, invited.id, "teacher")
    await record_guardian_consent(db, tenant_id, EMAIL, CONSENT, NOW)
    account = await sign_in(db, tenant_id, email=EMAIL, issued_at=at(5))
    assert (account.id, account.identity, account.role) == (before.id, before.identity, "admin")
    assert await list_accounts_of(db, tenant_id, EMAIL) == [account]
    assert await list_accounts_of(db, tenant_id, str(invited.id)) == []
    staff = await list_staff(db, tenant_id, course.id)
    assert [(one.account_id, one.role) for one in staff] == [(account.id, "teacher")]
    assert await list_consents(db, tenant_id, account.id, [CONSENT]) == {CONSENT.kind: NOW}
    assert (await sign_in(db, tenant_id, email=EMAIL, issued_at=at(9))).role == "admin"


async def test_merged_invitation_neither_unblocks_nor_replaces_a_role_that_was_given(
    db: Connection, tenant_id: UUID
) -> None:
    await sign_in(db, tenant_id, issued_at=at(0))
    await give_role(db, tenant_id, "amina", "learner")
    await make_or_invite_admin(db, tenant_id, EMAIL)
    await block_person(db, tenant_id, EMAIL, NOW)
    account = await sign_in(db, tenant_id, "teacher", email=EMAIL, issued_at=at(5))
    assert (account.role, account.blocked_at) == ("learner", NOW)


async def test_of_two_invitations_of_an_address_none_is_left(
    db: Connection, tenant_id: UUID
) -> None:
    for _ in range(2):  # two operators at the same time
        await insert_invited(db, tenant_id, EMAIL, "admin")
    await sign_in(db, tenant_id, email=EMAIL, issued_at=at(0))
    account = await sign_in(db, tenant_id, email=EMAIL, issued_at=at(5))
    assert await list_accounts_of(db, tenant_id, EMAIL) == [account]
    assert account.role == "admin"


async def test_application_can_delete_no_account_that_somebody_signed_in_to(
    pool: Pool, tenant_id: UUID
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        await sign_in(db, tenant_id)
        await insert_invited(db, tenant_id, EMAIL, "admin")
        assert await db.execute("delete from accounts") == "DELETE 1"
        assert len(await list_accounts_of(db, tenant_id, "amina")) == 1


async def test_role_given_by_an_operator_stays_until_it_is_taken_back(
    db: Connection, tenant_id: UUID
) -> None:
    account = await sign_in(db, tenant_id, "teacher", email=EMAIL, issued_at=NOW)
    await make_or_invite_admin(db, tenant_id, EMAIL)
    assert (await sign_in(db, tenant_id, "teacher", issued_at=at(1))).role == "admin"
    await give_role(db, tenant_id, str(account.id), "learner")
    assert (await sign_in(db, tenant_id, "teacher", issued_at=at(2))).role == "learner"
    await give_role(db, tenant_id, EMAIL, None)
    assert (await sign_in(db, tenant_id, "teacher", issued_at=at(3))).role == "teacher"


async def test_command_that_fits_no_account_or_several_changes_nothing(
    db: Connection, tenant_id: UUID
) -> None:
    for subject in ("amina", "other"):
        await sign_in(db, tenant_id, subject=subject, email=EMAIL)
    with pytest.raises(AccountError, match="several accounts"):
        await give_role(db, tenant_id, EMAIL, "admin")
    for who in ("nobody@school.example", str(uuid4())):
        with pytest.raises(AccountError, match="no account"):
            await block_person(db, tenant_id, who, NOW)
    with pytest.raises(AccountError, match="no account"):
        await make_or_invite_admin(db, tenant_id, "Nobody")
    assert {one.role for one in await list_accounts_of(db, tenant_id, EMAIL)} == {"learner"}


async def test_blocking_covers_all_accounts_of_a_person_and_ends_their_sessions(
    db: Connection, tenant_id: UUID
) -> None:
    account = await sign_in(db, tenant_id, email=EMAIL)
    await sign_in(db, tenant_id, subject="second", email=EMAIL)
    await insert_auth_session(db, tenant_id, account.id, KEY, NOW, provider=NOWHERE)
    await block_person(db, tenant_id, EMAIL, NOW)
    assert await find_account_and_touch_session(db, tenant_id, KEY, NOW) is None
    assert [one.blocked_at for one in await list_accounts_of(db, tenant_id, EMAIL)] == [NOW, NOW]
    third = await sign_in(db, tenant_id, subject="third", email=EMAIL)
    assert third.blocked_at == NOW  # a new account at the provider does not help
    await unblock_person(db, tenant_id, EMAIL)
    assert {one.blocked_at for one in await list_accounts_of(db, tenant_id, EMAIL)} == {None}


async def test_blocked_accounts_are_listed_while_they_are_in_a_running_session(
    db: Connection, tenant_id: UUID
) -> None:
    session_id = await make_session(db, tenant_id)
    inside, gone, good = [await make_learner(db, tenant_id, name) for name in "abc"]
    stays = [
        ParticipantRow(session_id, "PA_1", inside.id, at(0), None),
        ParticipantRow(session_id, "PA_2", gone.id, at(0), at(5)),
        ParticipantRow(session_id, "PA_3", good.id, at(0), None),
    ]
    await upsert_participants(db, tenant_id, stays)
    for account in (inside, gone):
        await block_person(db, tenant_id, str(account.id), at(9))
    assert [one.identity for one in await list_blocked_present(db, tenant_id)] == [inside.identity]
    await unblock_person(db, tenant_id, str(inside.id))
    assert await list_blocked_present(db, tenant_id) == []


async def test_session_is_found_by_its_key_until_it_is_deleted(
    db: Connection, tenant_id: UUID
) -> None:
    account = await sign_in(db, tenant_id)
    there = ProviderSession("sid", "id token")
    await insert_auth_session(db, tenant_id, account.id, KEY, NOW, provider=there)
    stored = await db.fetchval("select string_agg(s::text, '') from auth_sessions s")
    assert KEY.hex() not in stored
    assert await find_account_and_touch_session(db, tenant_id, KEY, at(1)) == account
    assert await find_account_and_touch_session(db, tenant_id, b"other key", at(1)) is None
    assert await find_account_and_touch_session(db, uuid4(), KEY, at(1)) is None
    assert await delete_auth_session(db, tenant_id, KEY) == there
    assert await find_account_and_touch_session(db, tenant_id, KEY, at(1)) is None
    assert await delete_auth_session(db, tenant_id, KEY) is None


async def test_session_ends_when_idle_and_at_the_end_of_its_life(
    db: Connection, tenant_id: UUID
) -> None:
    account, late = await sign_in(db, tenant_id), timedelta(seconds=1)
    await insert_auth_session(db, tenant_id, account.id, KEY, NOW, provider=NOWHERE)
    now = NOW
    while now + IDLE - late < NOW + LIFE:
        now += IDLE - late
        assert await find_account_and_touch_session(db, tenant_id, KEY, now) == account
    assert await find_account_and_touch_session(db, tenant_id, KEY, NOW + LIFE) is None
    assert await find_account_and_touch_session(db, tenant_id, KEY, now + IDLE + late) is None


async def test_ended_sessions_are_deleted(db: Connection, tenant_id: UUID) -> None:
    account = await sign_in(db, tenant_id)
    for number in range(3):
        key, start = bytes([number]), NOW + number * timedelta(days=1)
        await insert_auth_session(db, tenant_id, account.id, key, start, provider=NOWHERE)
    await delete_ended_auth_sessions(db, tenant_id, NOW + IDLE + timedelta(hours=1))
    left = await db.fetchval("select count(*) from auth_sessions")
    assert left == 2


async def test_sessions_go_with_the_account(db: Connection, tenant_id: UUID) -> None:
    account = await sign_in(db, tenant_id)
    await insert_auth_session(db, tenant_id, account.id, KEY, NOW, provider=NOWHERE)
    rule = await db.fetchval(
        "select confdeltype from pg_constraint where conrelid = 'auth_sessions'::regclass"
        " and confrelid = 'accounts'::regclass"
    )
    assert rule == b"c"
    assert await find_account(db, tenant_id, account.id) == account


async def run_command(database: Database, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of `python -m db`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "db", *arguments),
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database.dsn()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


@pytest.mark.slow
async def test_commands_change_accounts_and_explain_mistakes_in_one_line(
    database: Database, pool: Pool, tenant_id: UUID
) -> None:
    code, told = await run_command(database, "admin", EMAIL)
    assert (code, told) == (0, f"{EMAIL} will be admin after signing in for the first time\n")
    assert await run_command(database, "role", EMAIL, "teacher") == (0, f"{EMAIL} is teacher\n")
    assert await run_command(database, "block", EMAIL) == (0, f"{EMAIL} is blocked\n")
    async with tenant_tx(pool, tenant_id) as db:
        (account,) = await list_accounts_of(db, tenant_id, EMAIL)
    assert account.role == "teacher"
    assert account.blocked_at is not None
    for arguments in (("block", "nobody"), ("unblock", EMAIL, "--tenant", "nowhere")):
        code, told = await run_command(database, *arguments)
        assert (code, told.count("\n")) == (1, 1)
