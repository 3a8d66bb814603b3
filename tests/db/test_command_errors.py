"""A command that cannot use a file says which one, and does not blame the database."""

from pathlib import Path
from uuid import UUID

import pytest

from db import Pool, tenant_tx
from db.accounts import Account
from tests.conftest import Database
from tests.db.host_parts import OperatedHost
from tests.db.rows import make_learner

pytestmark = pytest.mark.slow


@pytest.fixture
async def learner(pool: Pool, tenant_id: UUID) -> Account:
    async with tenant_tx(pool, tenant_id) as db:
        return await make_learner(db, tenant_id)


@pytest.fixture
def host(database: Database, tmp_path: Path) -> OperatedHost:
    return OperatedHost(database, tmp_path / "home")


async def test_export_into_a_file_names_it(
    host: OperatedHost, learner: Account, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    code, output = await host.run_command("export-account", str(learner.id), str(file / "export"))
    assert (code, output.endswith(f"Not a directory: '{file}/export'\n")) == (1, True), output
    assert "database" not in output
