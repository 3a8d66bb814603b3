"""Stalls: how late the event loops of many rooms run at the worst."""

import argparse

from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.loop_lag import measured_loops
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, percentile, summarise
from bench.rooms import OurRooms, PlainRooms, measure_talk
from harness.stack import running_stack

STALL = 0.999  # this share of the time, the loop is less late


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="of talk in each system")


async def run(arguments: argparse.Namespace) -> Measured:
    whisper = str(whisper_folder("base"))
    stalls: dict[str, list[float]] = {}
    late_ms: dict[str, list[float]] = {}
    with (
        measured_loops() as lag,
        running_stack(WHISPER_MODEL=whisper, ROOM_SCOPE="learner", AGENT_MAX_JOBS="16") as stack,
        running_plain_worker(stack, PlainOptions(whisper)) as plain,
    ):
        for _ in range(arguments.runs):
            for rooms in (OurRooms(stack), PlainRooms(stack, plain)):
                try:
                    await rooms.open_up_to(arguments.rooms)
                    window = await measure_talk(rooms, arguments.seconds)
                    found = lag.list_ms(window.began, window.ended, rooms.job_pids())
                finally:
                    await rooms.close()
                late_ms.setdefault(rooms.name, []).extend(found)
                stalls.setdefault(rooms.name, []).append(percentile(found, STALL))
                print(f"{rooms.name}: p99.9 {stalls[rooms.name][-1]:.0f} ms", flush=True)
    return Measured(
        unit="ms",
        ours=summarise(stalls[OurRooms.name]),
        baselines={PLAIN: summarise(stalls[PLAIN])},
        quality={name: describe_lag(found) for name, found in late_ms.items()},
    )


def describe_lag(late_ms: list[float]) -> dict[str, float]:
    return {
        "p50_ms": percentile(late_ms, 0.5),
        "p99_ms": percentile(late_ms, 0.99),
        "p999_ms": percentile(late_ms, STALL),
        "max_ms": max(late_ms),
        "samples": float(len(late_ms)),
    }
