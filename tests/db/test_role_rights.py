"""Production refuses database roles to which row-level security does not apply."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from db.role_rights import find_problem_of_role
from tests.conftest import ROOT, Postgres
from tests.unit.test_settings import GOOD


async def test_role_of_the_application_is_accepted(postgres: Postgres) -> None:
    assert await find_problem_of_role("DATABASE_URL", postgres.dsn()) == ""


async def test_superuser_and_role_that_bypasses_row_level_security_are_refused(
    postgres: Postgres,
) -> None:
    found = await find_problem_of_role("DATABASE_URL", postgres.dsn("postgres"))
    assert found.startswith("DATABASE_URL: the role postgres is a superuser")
    await postgres.admin("create role seer login bypassrls")
    try:
        found = await find_problem_of_role("DATABASE_WATCH_URL", postgres.dsn("seer"))
    finally:
        await postgres.admin("drop role seer")
    assert found.startswith("DATABASE_WATCH_URL: the role seer bypasses row-level security")


@pytest.fixture
def production(postgres: Postgres, tmp_path: Path) -> dict[str, str]:
    """The environment of a production whose application signs in as a superuser."""
    return {
        "PATH": os.environ["PATH"],
        "BODH_HOME": str(tmp_path),
        **{name.upper(): value for name, value in GOOD.items()},
        "DATABASE_URL": postgres.dsn("postgres"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    ["token_server.py", "-m watch", "-m jobs", "-m agent drain", "-m db migrate"],
)
def test_process_does_not_start_as_superuser(command: str, production: dict[str, str]) -> None:
    done = run_python(command, production)
    assert done.returncode == 1
    assert "the role postgres is a superuser" in done.stderr


@pytest.mark.slow
def test_settings_check_prints_every_problem(production: dict[str, str]) -> None:
    done = run_python("-m settings check", production | {"PUBLIC_URL": "http://bodh.test"})
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("PUBLIC_URL is not an https address")
    assert second.startswith("DATABASE_URL: the role postgres is a superuser")


@pytest.mark.slow
def test_settings_check_accepts_a_safe_production(
    production: dict[str, str], postgres: Postgres
) -> None:
    done = run_python("-m settings check", production | {"DATABASE_URL": postgres.dsn()})
    assert (done.returncode, done.stderr) == (0, "")


def run_python(command: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command.split()],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
