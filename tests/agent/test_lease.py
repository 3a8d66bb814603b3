"""An agent's lease: it waits out a database outage, but not a bug in our SQL."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

import protocol
from agent.job.lease import Lease, load_dispatch
from agent.room.dispatch import Dispatch
from db import Pool, tenant_tx
from db.leases import begin_next_epoch
from db.rooms import find_room_by_id
from db.sessions import find_session
from tests.conftest import Database
from tests.db.rows import NOW, make_session


@pytest.fixture
async def dispatched(pool: Pool, tenant_id: UUID) -> Dispatch:
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
        epoch = await begin_next_epoch(db, tenant_id, session_id, NOW)
        session = await find_session(db, tenant_id, session_id)
        assert session is not None
        room = await find_room_by_id(db, tenant_id, session.room_id)
        assert room is not None
    return Dispatch(tenant_id, room, session, epoch)


async def test_misspelt_column_is_raised_at_once(
    pool: Pool, database: Database, dispatched: Dispatch
) -> None:
    owner = await asyncpg.connect(database.dsn("bodh_owner"))
    await owner.execute("alter table livekit_rooms rename column module_id to modul_id")
    await owner.close()
    metadata = protocol.DispatchMetadata(
        tenant_id=dispatched.tenant_id,
        room_id=dispatched.room.id,
        session_id=dispatched.session.id,
        epoch=dispatched.epoch,
    )
    async with asyncio.timeout(5):
        with pytest.raises(asyncpg.UndefinedColumnError):
            await load_dispatch(pool, metadata)


async def test_goodbye_with_a_closed_pool_ends_quietly(
    pool: Pool, dispatched: Dispatch, caplog: pytest.LogCaptureFixture
) -> None:
    lease = Lease(pool, dispatched, timedelta(seconds=1))
    await pool.close()
    await lease.append_agent_left()
    await lease.end_session()
    assert len(caplog.messages) == 2
