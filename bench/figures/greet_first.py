"""Greeting: from asking for a room to its first sound, with an idle process ready."""

import argparse
import asyncio
import time

from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, summarise
from bench.rooms import OurRooms, PlainRooms, Rooms
from harness.learner import Learner
from harness.stack import running_stack

OPTIONS = PlainOptions(str(whisper_folder("test")))
IDLE_AGAIN_S = 2.5  # until the worker has another idle process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None besides `--runs`: a run is one greeting of ours and one of a plain worker."""


async def run(arguments: argparse.Namespace) -> Measured:
    found: dict[str, list[float]] = {}
    with running_stack() as stack, running_plain_worker(stack, OPTIONS) as plain:
        for number in range(arguments.runs):
            for rooms in (OurRooms(stack), PlainRooms(stack, plain)):
                await asyncio.sleep(IDLE_AGAIN_S)
                found.setdefault(rooms.name, []).append(await measure_greeting(rooms))
            latest = ", ".join(f"{name} {values[-1]:.0f} ms" for name, values in found.items())
            print(f"run {number + 1} of {arguments.runs}: {latest}", flush=True)
    return Measured("ms", summarise(found[OurRooms.name]), {PLAIN: summarise(found[PLAIN])})


async def measure_greeting(rooms: Rooms) -> float:
    """Milliseconds. The learner is signed in already; nobody was in the room."""
    account = await rooms.sign_in(0)
    learner = Learner(account)
    asked = time.monotonic()
    try:
        await learner.join_with_ticket(await rooms.open_room(account))
        heard: float = await learner.until(lambda: learner.first_sound(asked), 30, "a greeting")
    finally:
        await learner.leave()
        await rooms.close()
        await account.close()
    return 1000 * (heard - asked)
