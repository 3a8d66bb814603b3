"""A room for each learner: a burst of rooms, a worker that ends, a job that grows."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from harness.learner import Account, Learner
from harness.processes import alive, job_pids, kill, wait_until_gone, wait_until_no_job
from harness.stack import Stack, running_stack
from tests.faults.agents import PATIENCE_S, Call
from tests.faults.figures import record
from tests.faults.test_goodbye import hears_goodbye
from tests.replay import replay
from tests.soak import runs

ROOMS = 8
CALLS = 4
GRACE_S = 10.0  # then supervisor kills the worker (processes.conf)
LIMIT_MB = 160  # an agent's process has 60 to 100
QUESTION = "what is machine learning"


@pytest.fixture(scope="module")
def rooms() -> Iterator[Stack]:
    """A running Bodh with a room for each learner, which closes soon after they leave."""
    settings = {
        "ROOM_SCOPE": "learner",
        "AGENT_IDLE_PROCESSES": "2",
        "DEPARTURE_TIMEOUT": "1",
        "AGENT_MEMORY_LIMIT_MB": str(LIMIT_MB),
    }
    with running_stack(**settings) as stack:
        yield stack
        replay(stack.superuser_dsn, "faults")


@asynccontextmanager
async def people(stack: Stack, name: str, count: int) -> AsyncIterator[list[Learner]]:
    """Learners with new accounts; at the end they leave and their rooms close."""
    accounts = [await Account(stack.url, f"{name} {n}").sign_in() for n in range(count)]
    learners = [Learner(account) for account in accounts]
    try:
        yield learners
    finally:
        await asyncio.gather(*(one.leave() for one in learners))
        for account in accounts:
            await account.close()
    await wait_until_no_job(stack)


@asynccontextmanager
async def calls(stack: Stack, name: str, count: int) -> AsyncIterator[list[Call]]:
    """Learners who were each greeted by their own agent."""
    async with AsyncExitStack() as at_end:
        learners = await at_end.enter_async_context(people(stack, name, count))
        module = (await learners[0].account.get_course())["modules"][0]["id"]
        joined = time.monotonic()
        first = learners[0]  # the only microphone: eight would be all the load of this machine
        await asyncio.gather(*(one.join(module, microphone=one is first) for one in learners))
        await asyncio.gather(*(one.stop_greeting(joined) for one in learners))
        running = []
        for one in learners:
            rows = await asyncpg.connect(stack.superuser_dsn)
            at_end.push_async_callback(rows.close)
            running.append(Call(stack, rows, one))
        yield running


@pytest.mark.timeout(900)
async def test_burst_of_rooms_gets_an_agent_each(rooms: Stack) -> None:
    waits: list[float] = []
    for turn in range(runs(1, 10)):
        async with people(rooms, f"Learner {turn}", ROOMS) as learners:
            module = (await learners[0].account.get_course())["modules"][0]["id"]
            waits += await asyncio.gather(
                *(with_agent(one, module, number / ROOMS) for number, one in enumerate(learners))
            )
            await asyncio.sleep(3)
            assert [len(one.agents()) for one in learners] == [1] * ROOMS
    record("burst_of_8", waits)


async def with_agent(learner: Learner, module_id: str, after_s: float) -> float:
    """Joins. Returns the seconds from asking for a token until an agent is there."""
    await asyncio.sleep(after_s)
    began = time.monotonic()
    await learner.join(module_id, microphone=False)
    await learner.until(learner.agents, PATIENCE_S, "an agent")
    return time.monotonic() - began


@pytest.mark.timeout(1800)
async def test_ended_worker_says_goodbye_in_four_calls_and_all_come_back(
    rooms: Stack,
) -> None:
    ends: list[float] = []
    back: list[float] = []
    async with calls(rooms, "Caller", CALLS) as four:
        for _ in range(runs(1, 20)):
            await asyncio.gather(*(asks(call.learner) for call in four))
            epochs = [await call.epoch() for call in four]
            ended, worker = end_worker(rooms)
            goodbyes = asyncio.gather(*(parting(call.learner, ended) for call in four))
            await wait_until_gone(worker)
            ends.append(time.monotonic() - ended)
            left = await goodbyes
            returns = zip(four, left, strict=True)
            back += await asyncio.gather(*(returned(call, at, ended) for call, at in returns))
            for call, epoch in zip(four, epochs, strict=True):
                log = await call.log()
                assert ("agent.left", {"epoch": epoch}) in log
                assert ("agent.lost", {"epoch": epoch}) not in log
        await asyncio.gather(*(nothing_is_lost(call.learner, runs(1, 20)) for call in four))
    assert max(ends) < GRACE_S
    record("worker_ended_gone", ends)
    record("worker_ended_back", back)


def end_worker(stack: Stack) -> tuple[float, int]:
    """Sends SIGTERM to the worker. Returns when, and its process id."""
    (worker,) = stack.pids(r"-m agent start $")
    return kill(worker, signal.SIGTERM), worker


async def asks(learner: Learner) -> None:
    asked = time.monotonic()
    await learner.type(QUESTION)
    await learner.wait_for_answer(asked)
    learner.recording = True


async def parting(learner: Learner, ended: float) -> float:
    """Waits for the whole goodbye. Returns when the agent left."""
    await hears_goodbye(learner, ended)
    learner.recording = False
    return time.monotonic()


async def returned(call: Call, left: float, ended: float) -> float:
    """Waits for one apology of the new agent. Returns the seconds since the signal."""
    await call.resumed_once(left)
    first: float = call.learner.tutor_captions(left)[0].first_at
    return first - ended


async def nothing_is_lost(learner: Learner, questions: int) -> None:
    """Asserts that all typed lines and all captioned sentences are stored."""
    said = await learner.account.wait_for_kept_segments(learner.session_id, questions)
    assert [one["text"] for one in said] == [QUESTION] * questions
    captioned = {one.segment_id for one in learner.captions.values() if one.final}
    stored: set[str] = set()
    async with asyncio.timeout(10):  # the drainer runs a moment behind the captions
        while not captioned <= stored:
            stored = {one["id"] for one in await learner.account.transcript(learner.session_id)}
            await asyncio.sleep(0.1)


@pytest.mark.soak
async def test_job_that_outgrows_its_memory_limit_is_ended_and_replaced(rooms: Stack) -> None:
    async with calls(rooms, "Grower", 1) as (call,):
        job, epoch, began = call.job(), await call.epoch(), time.monotonic()
        await grow(call.learner, job)
        await call.resumed_once(began)
        assert ("agent.lost", {"epoch": epoch}) in await call.log()
        assert job_pids(rooms) == {call.job()} - {job}
    assert sum("exceeded memory limit" in line for line in rooms.lines) == 1


async def grow(learner: Learner, job: int) -> None:
    """Starts typed lines that never end, until the job ends; it stores 240 kB of each."""
    local, agents = learner.room.local_participant, learner.agents()
    wide = "0" * 15_000 + "\N{OWL}"  # one wide letter makes four bytes of each other

    async def begin() -> None:
        writer = await local.stream_text(topic="lk.chat", destination_identities=agents)
        for _ in range(4):
            await writer.write(wide)

    async with asyncio.timeout(60):
        while alive(job):
            await asyncio.gather(*(begin() for _ in range(10)))
