"""An agent that is killed, hung or duplicated: within seconds exactly one agent speaks."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from livekit import api

from db import Pool, create_pool, tenant_tx
from db.leases import begin_next_epoch
from harness.processes import kill, wait_until_gone, worker_of
from harness.stack import Stack
from protocol import DispatchMetadata, dump
from tests.faults.agents import SORRY, Call
from tests.faults.figures import record
from tests.soak import runs

REPLACED_S = 8.0
ALONE_S = 3.0  # after this, the replaced agent is gone
FROZEN_S = 6.0  # longer than a lease
JUDGED_S = 4.0  # within this the watcher replaces an agent it considers lost


@pytest.fixture
async def app(stack: Stack) -> AsyncIterator[Pool]:
    pool = await create_pool(stack.settings.app_dsn, max_size=4)
    yield pool
    await pool.close()


@pytest.mark.timeout(1800)
async def test_agent_killed_in_mid_sentence_is_replaced(call: Call) -> None:
    for _ in range(runs(2, 50)):
        before = await call.epoch()
        await call.mid_sentence()
        killed = kill(call.job())
        await call.speaks_again(killed)
        assert await call.epoch() == before + 1
        await call.resumed_once(killed)
        await call.stop_tutor()
    epochs = list(range(1, await call.epoch() + 1))
    log = await call.log()
    assert [told["epoch"] for kind, told in log if kind == "agent.dispatched"] == epochs
    assert [told["epoch"] for kind, told in log if kind == "agent.lost"] == epochs[:-1]
    record("agent_killed_silence", call.silences)


@pytest.mark.timeout(1800)
async def test_hung_agent_is_replaced_and_leaves_when_it_wakes(call: Call) -> None:
    for _ in range(runs(1, 20)):
        before = await call.epoch()
        await call.mid_sentence()
        pid = call.job()
        stopped = kill(pid, signal.SIGSTOP)
        silence = await call.speaks_again(stopped)
        assert silence < REPLACED_S
        assert await call.epoch() == before + 1
        kill(pid, signal.SIGCONT)
        await wait_until_gone(pid)
        await call.resumed_once(stopped)
        await call.stop_tutor()
    record("agent_hung_silence", call.silences)


@pytest.mark.timeout(1800)
async def test_calls_of_a_killed_worker_come_back(call: Call) -> None:
    for _ in range(runs(1, 20)):
        await call.mid_sentence()
        killed = kill(worker_of(call.job()))
        await call.speaks_again(killed)
        await call.resumed_once(killed)
        await call.stop_tutor()
    record("worker_killed_silence", call.silences)


@pytest.mark.timeout(1800)
async def test_frozen_database_makes_no_agent_look_lost(call: Call) -> None:
    epoch = await call.epoch()
    (postmaster,) = call.stack.pids(r"/postgres -D ")
    asked = await call.mid_sentence()
    server = [psutil.Process(postmaster), *psutil.Process(postmaster).children()]
    for process in server:
        process.suspend()
    await asyncio.sleep(FROZEN_S)
    for process in server:
        process.resume()
    thawed = time.monotonic()
    await call.learner.type("what is underfitting")
    await call.learner.until(lambda: call.learner.first_sound(thawed), 30, "an answer")
    await asyncio.sleep(JUDGED_S)
    assert await call.epoch() == epoch
    assert SORRY not in call.said(asked)
    await call.stop_tutor()


@pytest.mark.timeout(1800)
async def test_two_dispatches_at_once_bring_one_agent(
    call: Call, app: Pool, livekit: api.LiveKitAPI, stack: Stack
) -> None:
    (tenant_id, room_id), room = await dispatch_of(call), call.learner.room_name

    async def dispatch(epoch: int) -> None:
        metadata = DispatchMetadata(
            tenant_id=tenant_id, room_id=room_id, session_id=call.session_id, epoch=epoch
        )
        request = api.CreateAgentDispatchRequest(
            agent_name=stack.settings.agent_name, room=room, metadata=dump(metadata)
        )
        await livekit.agent_dispatch.create_dispatch(request)

    async def next_epoch() -> int:
        async with tenant_tx(app, tenant_id) as db:
            now = await db.fetchval("select now()")
            return await begin_next_epoch(db, tenant_id, call.session_id, now)

    waits: list[float] = []
    for turn in range(runs(2, 100)):
        since = await call.mid_sentence()
        first = await next_epoch()
        second = first if turn % 2 else await next_epoch()
        sent = time.monotonic()
        await asyncio.gather(dispatch(first), dispatch(second))
        waits.append(await call.apologises(sent))
        await asyncio.sleep(max(0.0, sent + ALONE_S - time.monotonic()))
        await call.resumed_once(since)
        await call.stop_tutor()
    record("two_dispatches_to_voice", waits)


async def dispatch_of(call: Call) -> Any:
    return await call.rows.fetchrow(
        "select tenant_id, room_id from sessions where id = $1", call.session_id
    )
