"""Faults to inject into a running Bodh, by name."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livekit import rtc

from harness.processes import job_pids
from harness.stack import Stack
from harness.talker import Talker

FROZEN_S = 6.0
DATABASE_AWAY_S = 8.0
MEDIA_FROZEN_S = 3.0
CHANGES = 5
CUTS = (
    rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT,
    rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT,
)


@dataclass(frozen=True)
class Scene:
    """What a fault acts on. `random` is the seeded source of every choice."""

    stack: Stack
    talkers: list[Talker]
    random: random.Random


Fault = Callable[[Scene], Awaitable[None]]


def make_kill_fault(pattern: str) -> Fault:
    async def kill_matching(scene: Scene) -> None:
        for pid in scene.stack.pids(pattern):
            _send_signal(pid, signal.SIGKILL)

    return kill_matching


async def kill_job(scene: Scene) -> None:
    if pids := job_pids(scene.stack):
        _send_signal(scene.random.choice(sorted(pids)), signal.SIGKILL)


async def freeze_job(scene: Scene) -> None:
    if pids := job_pids(scene.stack):
        await _freeze_processes([scene.random.choice(sorted(pids))], FROZEN_S)


async def freeze_media(scene: Scene) -> None:
    """Pauses the media server, which looks like a network cut to everyone in a room."""
    await _freeze_processes(scene.stack.pids(r"livekit-server --config"), MEDIA_FROZEN_S)


async def cut_learner(scene: Scene) -> None:
    talker, cut = scene.random.choice(scene.talkers), scene.random.choice(CUTS)
    with contextlib.suppress(RuntimeError):  # that learner is not connected right now
        await talker.newest_connection.room.simulate_scenario(cut)


async def stop_database(scene: Scene) -> None:
    supervisor = scene.stack.supervisor()
    await asyncio.to_thread(supervisor.stopProcess, "postgres")
    await asyncio.sleep(DATABASE_AWAY_S)
    await asyncio.to_thread(supervisor.startProcess, "postgres")


async def change_lessons(scene: Scene) -> None:
    talker = scene.random.choice(scene.talkers)
    for _ in range(CHANGES):
        with contextlib.suppress(Exception):  # refused or not reachable: part of the burst
            await talker.newest_connection.change_lesson(
                scene.random.choice(talker.module["lessons"])["id"]
            )
        await asyncio.sleep(0.1)


CATALOGUE: dict[str, Fault] = {
    "kill-job": kill_job,
    "kill-worker": make_kill_fault(r"-m agent start"),
    "kill-drainer": make_kill_fault(r"-m agent drain"),
    "kill-watcher": make_kill_fault(r"-m watch"),
    "kill-speech-engine": make_kill_fault(r"-m speech $"),
    "kill-token-server": make_kill_fault(r"token_server\.py"),
    "kill-media-server": make_kill_fault(r"livekit-server --config"),
    "kill-database": make_kill_fault(r"bin/postgres -D"),
    "freeze-job": freeze_job,
    "freeze-media-server": freeze_media,
    "stop-database": stop_database,
    "cut-a-learner": cut_learner,
    "change-lessons": change_lessons,
}


async def _freeze_processes(pids: list[int], seconds: float) -> None:
    for pid in pids:
        _send_signal(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            _send_signal(pid, signal.SIGCONT)


def _send_signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
