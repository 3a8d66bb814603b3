"""The queue of the voice process: who runs out of sound first is served first."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from speech.voice.queue import ComputationQueue
from speech.voice.synthesiser import Computation


class Held:
    """A computation that lasts until it is let go, in the only thread of a queue."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.run: Computation | None = None

    def work(self, run: Computation) -> None:
        self.run = run
        self.begun.set()
        self.let_go.wait(30)


@pytest.fixture
async def queue() -> AsyncIterator[ComputationQueue]:
    queue = ComputationQueue(1)
    yield queue
    queue.close()


@pytest.fixture
async def held(queue: ComputationQueue) -> AsyncIterator[Held]:
    held = Held()
    running = asyncio.create_task(queue.compute(0.0, held.work))
    await asyncio.to_thread(held.begun.wait, 30)
    yield held
    held.let_go.set()
    await asyncio.gather(running, return_exceptions=True)


def noting(order: list[str], name: str) -> Callable[[Computation], None]:
    return lambda _run: order.append(name)


async def test_first_clause_goes_before_later_ones(queue: ComputationQueue, held: Held) -> None:
    order: list[str] = []
    dues = {"later by 5 s": 5.0, "later by 2 s": 2.0, "first clause": 0.1, "starving": -1.0}
    waiting = [
        asyncio.create_task(queue.compute(due, noting(order, name))) for name, due in dues.items()
    ]
    await asyncio.sleep(0)
    held.let_go.set()
    await asyncio.gather(*waiting)
    assert order == ["starving", "first clause", "later by 2 s", "later by 5 s"]


async def test_text_that_is_given_up_while_it_waits_is_never_computed(
    queue: ComputationQueue, held: Held
) -> None:
    order: list[str] = []
    given_up = asyncio.create_task(queue.compute(1.0, noting(order, "given up")))
    other = asyncio.create_task(queue.compute(2.0, noting(order, "other")))
    await asyncio.sleep(0)
    given_up.cancel()
    held.let_go.set()
    await other
    assert order == ["other"]


async def test_computation_whose_caller_is_cancelled_is_stopped(queue: ComputationQueue) -> None:
    held = Held()
    running = asyncio.create_task(queue.compute(0.0, held.work))
    await asyncio.to_thread(held.begun.wait, 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert held.run is not None
    assert held.run.options.terminate
    held.let_go.set()
    await queue.compute(0.0, lambda _run: None)  # the thread is free again
