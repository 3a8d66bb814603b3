"""`python -m db verify`: finds event logs that were changed outside the application."""

import asyncio
import os
import sys
from uuid import UUID

import asyncpg
import pytest

from db import Pool, tenant_tx
from db.leases import begin_next_epoch
from db.verify import VerifiedLog, verify_logs
from tests.conftest import ROOT, Database
from tests.db.rows import NOW, make_session


@pytest.fixture
async def session_id(pool: Pool, tenant_id: UUID) -> UUID:
    """A session with six events."""
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
        await begin_next_epoch(db, tenant_id, session_id, NOW)
        await begin_next_epoch(db, tenant_id, session_id, NOW)
        assert await begin_next_epoch(db, tenant_id, session_id, NOW) == 3
    return session_id


async def verify(database: Database) -> tuple[int | None, list[str]]:
    """Exit code and lines of the command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "db", "verify"),
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database.dsn()},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode().splitlines()


async def tamper(database: Database, statement: str) -> None:
    """Changes rows with the trigger disabled, as a superuser."""
    db = await asyncpg.connect(database.dsn("postgres"))
    await db.execute("alter table session_state_events disable trigger user")
    await db.execute(statement)
    await db.close()


@pytest.mark.slow
async def test_command_succeeds_until_a_log_is_changed(
    database: Database, session_id: UUID
) -> None:
    assert await verify(database) == (0, ["1 sessions, 6 events, 0 broken"])
    await tamper(database, "delete from session_state_events where seq = 3")
    assert await verify(database) == (
        1,
        [
            f"session {session_id} of tenant default: broken at event 3 of 5",
            "1 sessions, 5 events, 1 broken",
        ],
    )


@pytest.mark.parametrize(
    ("statement", "seq", "left"),
    [
        ("""update session_state_events set payload = '{"epoch": 9}' where seq = 2""", 2, 6),
        ("update session_state_events set at = at - interval '1 hour' where seq = 4", 4, 6),
        ("delete from session_state_events where seq = 3", 3, 5),
        ("delete from session_state_events where seq = 6", 6, 5),
        ("delete from session_state_events", 1, 0),
        ("delete from session_state_events; delete from session_event_heads", 1, 0),
        ("update session_event_heads set last_seq = 7", 7, 6),
    ],
)
async def test_changed_log_is_reported_with_its_first_broken_event(
    database: Database, pool: Pool, session_id: UUID, statement: str, seq: int, left: int
) -> None:
    await tamper(database, statement)
    found = [log async for log in verify_logs(pool)]
    assert found == [VerifiedLog("default", session_id, left, seq)]
