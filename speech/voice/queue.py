"""Shares the model between rooms: who runs out of sound first is served first."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from speech.voice.synthesiser import Computation

T = TypeVar("T")


class ComputationQueue:
    """Runs short computations in threads, in the order of the time at which each is due."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="voice")
        self._free = threads
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    async def compute(self, due: float, work: Callable[[Computation], T]) -> T:
        """Runs `work` in a thread. Stops it when the caller is cancelled, and does not wait."""
        await self._take_thread(due)
        run = Computation()
        running = asyncio.get_running_loop().run_in_executor(self._pool, work, run)
        running.add_done_callback(self._on_done)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            run.stop()
            raise

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    async def _take_thread(self, due: float) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_thread_on()
            raise

    def _on_done(self, running: "asyncio.Future[T]") -> None:
        if not running.cancelled():
            running.exception()  # else asyncio reports it when the caller was cancelled
        self._pass_thread_on()

    def _pass_thread_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
