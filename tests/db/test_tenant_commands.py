"""`python -m db tenant` and `python -m db consent`."""

from uuid import UUID

import pytest

from db import Connection, Pool, tenant_tx
from db.account_commands import (
    AccountError,
    record_guardian_consent,
    withdraw_guardian_consent,
)
from db.consent_texts import consent_texts
from db.consents import list_consents
from db.tenant_commands import TenantError, change_and_print_tenant
from db.tenants import TenantPolicy, ensure_tenant, select_policy
from settings import Settings
from tests.conftest import Database
from tests.db.rows import NOW, make_learner


@pytest.fixture
def owned(settings: Settings, database: Database) -> Settings:
    """Settings with the owner's address of the test's database."""
    settings.database_owner_url = database.dsn("bodh_owner")
    return settings


async def test_rules_of_a_tenant_change_one_at_a_time(
    owned: Settings, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    await change_and_print_tenant(owned, "default", "choice", None)
    await change_and_print_tenant(owned, "default", None, "required")
    async with pool.acquire() as db:
        tenant = await ensure_tenant(db, "default", "Bodh")
    async with tenant_tx(pool, tenant.id) as db:
        assert await select_policy(db, tenant.id) == TenantPolicy("choice", "required")
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "default: rooms choice, guardian's consent required"


async def test_unknown_tenant_is_named(owned: Settings) -> None:
    with pytest.raises(TenantError, match="no tenant nowhere"):
        await change_and_print_tenant(owned, "nowhere", None, None)


async def test_guardians_consent_is_recorded_and_withdrawn(
    db: Connection, settings: Settings, tenant_id: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    amina = await make_learner(db, tenant_id)
    text = consent_texts(settings)["guardian"]
    seen = []
    await record_guardian_consent(db, tenant_id, str(amina.id), text, NOW)
    seen.append(await list_consents(db, tenant_id, amina.id, [text]))
    await withdraw_guardian_consent(db, tenant_id, str(amina.id), NOW)
    seen.append(await list_consents(db, tenant_id, amina.id, [text]))
    assert seen == [{"guardian": NOW}, {}]
    assert text.text in capsys.readouterr().out


async def test_guardians_consent_for_nobody_is_an_error(
    db: Connection, settings: Settings, tenant_id: UUID
) -> None:
    text = consent_texts(settings)["guardian"]
    with pytest.raises(AccountError, match="no account is called nobody"):
        await record_guardian_consent(db, tenant_id, "nobody", text, NOW)
