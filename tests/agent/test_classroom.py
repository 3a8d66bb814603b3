"""Learners who join while the database is away are greeted, or forgotten, once it is back."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import asyncpg
import pytest

from agent.offline.tutor import OfflineTutor
from agent.room.events import Joined, Left
from tests.agent.room_parts import School
from tests.agent.waiting import until
from tests.conftest import Database

PATIENCE_S = 30.0


@pytest.fixture
async def outage(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The tables of learners do not answer from `begin()` until `execute("commit")`."""
    connection = await asyncpg.connect(database.dsn("postgres"))
    yield connection
    await connection.close()


async def begin(outage: asyncpg.Connection) -> None:
    await outage.execute("begin")
    await outage.execute("lock table room_learners in access exclusive mode")


async def test_learner_who_joins_again_after_an_outage_is_greeted_once(
    school: School, outage: asyncpg.Connection
) -> None:
    async with school.agent(lambda classroom: OfflineTutor(classroom.desk)) as classroom:
        amina, badr = [await school.adds(name) for name in ("Amina", "Badr")]
        await begin(outage)
        await classroom.learner_joined(Joined(amina, "PA_1"))
        await classroom.learner_joined(Joined(badr, "PA_2"))
        await outage.execute("commit")
        await classroom.learner_left(Left(amina, "PA_1"))
        await classroom.learner_joined(Joined(amina, "PA_3"))
        running = asyncio.create_task(classroom.run())
        talks = [classroom.conversations.conversation_of(one) for one in (amina, badr)]
        await until(lambda: all(one.own for one in talks), "both are greeted", PATIENCE_S)
        running.cancel()
        await asyncio.wait([running])
    assert school.lease.heartbeats == 2  # one for each greeting


async def test_stranger_who_joined_during_an_outage_is_forgotten(
    school: School, outage: asyncpg.Connection
) -> None:
    async with school.agent(lambda classroom: OfflineTutor(classroom.desk)) as classroom:
        await begin(outage)
        await classroom.learner_joined(Joined("l_stranger", "PA_1"))
        stranger = weakref.ref(classroom.roster.get("l_stranger"))
        await outage.execute("commit")
        running = asyncio.create_task(classroom.run())
        async with asyncio.timeout(PATIENCE_S):
            while stranger() is not None:
                await asyncio.sleep(0.05)
                gc.collect()
        assert classroom.roster.get("l_stranger") is None
        running.cancel()
        await asyncio.wait([running])
