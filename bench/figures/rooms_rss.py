"""Memory per added room, after each room has heard its greeting and an answer."""

import argparse

from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.memory import pss_mb
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, summarise
from bench.rooms import OurRooms, PlainRooms, Rooms
from harness.stack import running_stack

TALK_S = 12.0  # long enough for an answer in every room


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rooms", type=int, default=4, help="compared with one room")


async def run(arguments: argparse.Namespace) -> Measured:
    whisper = str(whisper_folder("base"))
    found: dict[str, list[float]] = {}
    with (
        running_stack(WHISPER_MODEL=whisper, ROOM_SCOPE="learner") as stack,
        running_plain_worker(stack, PlainOptions(whisper)) as plain,
    ):
        for number in range(arguments.runs):
            for rooms in (OurRooms(stack), PlainRooms(stack, plain)):
                mb = await measure_memory_per_room(rooms, arguments.rooms)
                found.setdefault(rooms.name, []).append(mb)
                print(f"run {number + 1}: {rooms.name} {mb:.0f} MB per room", flush=True)
    return Measured("MB", summarise(found[OurRooms.name]), {PLAIN: summarise(found[PLAIN])})


async def measure_memory_per_room(rooms: Rooms, count: int) -> float:
    """MB that each room after the first adds to all processes of the system."""
    try:
        one = await _memory_after_talk(rooms, 1)
        return (await _memory_after_talk(rooms, count) - one) / (count - 1)
    finally:
        await rooms.close()


async def _memory_after_talk(rooms: Rooms, count: int) -> float:
    await rooms.open_up_to(count)
    await rooms.talk(TALK_S)
    return pss_mb(pid for pids in rooms.list_processes().values() for pid in pids)
