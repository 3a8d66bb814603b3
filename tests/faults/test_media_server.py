"""The media server is killed and restarted: same session, one agent, and it speaks."""

import asyncio
import contextlib
import itertools
import signal
import socket
import time

import pytest

from harness.learner import LOUD_LEVEL, Learner
from harness.processes import kill, wait_until_gone
from harness.stack import Stack
from tests.faults.agents import QUIET_S, Call
from tests.faults.figures import record
from tests.soak import runs


async def answers(stack: Stack) -> float:
    """Waits until the media server takes connections. Returns the monotonic time."""
    port = int(stack.environment["LIVEKIT_PORT"])
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return time.monotonic()
            await asyncio.sleep(0.02)


async def first_voice(learner: Learner, killed: float, returned: float) -> float:
    """Waits until the tutor is heard again. Returns the monotonic time."""

    def heard() -> float | None:
        loud = [at for at, level in learner.levels if level > LOUD_LEVEL and at > killed - 1]
        pairs = itertools.pairwise(loud)
        again = (at for last, at in pairs if at - last > QUIET_S and at > returned)
        return next(again, None)

    at: float = await learner.until(heard, 60, "a voice after the media server's return")
    return at


@pytest.mark.timeout(1800)
async def test_lesson_survives_a_killed_media_server(stack: Stack, call: Call) -> None:
    back: list[float] = []
    for turn in range(runs(2, 20)):
        epoch = await call.epoch()
        await call.mid_sentence()
        old_job, (server,) = call.job(), stack.pids("livekit-server")
        if turn % 2:  # this agent wakes later and reconnects by itself
            kill(old_job, signal.SIGSTOP)
        killed = kill(server)
        await wait_until_gone(server)
        returned = await answers(stack)
        back.append(await first_voice(call.learner, killed, returned) - returned)
        if turn % 2:
            kill(old_job, signal.SIGCONT)
        await wait_until_gone(old_job)
        assert await call.epoch() > epoch
        await call.resumed_once(returned)
        await call.stop_tutor()
    resumed = [kind for kind, _ in await call.log()].count("session.resumed")
    assert resumed == runs(2, 20)
    record("media_server_back", back)
