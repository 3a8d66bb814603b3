"""Eight rooms within a second on a worker with two idle processes: each gets its one agent."""

import asyncio
import time

import pytest

from tests.faults.agents import PATIENCE_S, runs
from tests.faults.figures import record
from tests.learner import Account, Learner
from tests.stack import running_stack

ROOMS = 8


@pytest.mark.timeout(900)
async def test_a_burst_of_rooms_has_an_agent_each() -> None:
    waits: list[float] = []
    with running_stack(ROOM_SCOPE="learner", AGENT_IDLE_PROCESSES="2") as stack:
        for turn in range(runs(1, 10)):
            names = [f"Learner {turn} {number}" for number in range(ROOMS)]
            accounts = [await Account(stack.url, name).sign_in() for name in names]
            module = (await accounts[0].course())["modules"][0]["id"]
            learners = [Learner(account) for account in accounts]
            waits += await asyncio.gather(
                *(with_agent(one, module, number / ROOMS) for number, one in enumerate(learners))
            )
            await asyncio.sleep(3)
            assert [len(one.agents()) for one in learners] == [1] * ROOMS
            await asyncio.gather(*(one.leave() for one in learners))
            for account in accounts:
                await account.close()
    record("burst_of_8", waits)


async def with_agent(learner: Learner, module_id: str, after_s: float) -> float:
    """Joins, and how long it took from asking for the token until an agent was there."""
    await asyncio.sleep(after_s)
    began = time.monotonic()
    await learner.join(module_id, microphone=False)
    await learner.until(learner.agents, PATIENCE_S, "an agent")
    return time.monotonic() - began
