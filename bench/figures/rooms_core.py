"""Rooms on this machine: how many keep up in real time, and how much CPU each one uses."""

import argparse
import os
import statistics
from dataclasses import dataclass, field

from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.loop_lag import LoopLag, measured_loops
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, percentile, summarise
from bench.rooms import OurRooms, PlainRooms, Rooms, Window, measure_talk
from harness.stack import running_stack

MAX_LAG_MS = 50.0  # 99 of 100 times the event loop runs in time
BEHIND = "slower than realtime"  # in the log of a worker whose voice activity detection is late


@dataclass
class Capacity:
    windows: list[Window] = field(default_factory=list)
    lag_p99_ms: dict[int, float] = field(default_factory=dict)  # by number of rooms
    in_time: int = 0  # the most rooms that kept up

    def carried_by(self, cores: int) -> list[float]:
        """Rooms that the cores carry if they do nothing else, for each window that kept up."""
        kept_up = [one for one in self.windows if one.rooms <= max(1, self.in_time)]
        most = max(one.rooms for one in kept_up)
        return [1000 * cores / one.total_cpu_ms for one in kept_up if one.rooms == most]

    def make_quality(self) -> dict[str, float]:
        newest = self.windows[-1]
        found = {f"{part}_cpu_ms".replace(" ", "_"): ms for part, ms in newest.cpu_ms.items()}
        lags = {f"loop_lag_p99_ms_{rooms}_rooms": ms for rooms, ms in self.lag_p99_ms.items()}
        talked = statistics.mean(one.talked for one in self.windows)
        unanswered = sum(one.unanswered for one in self.windows)
        totals = {f"cpu_ms_{one.rooms}_rooms": one.total_cpu_ms for one in self.windows}
        return {
            "rooms_in_time": float(self.in_time),
            "talked": talked,
            "unanswered": float(unanswered),
            **totals,
            **found,
            **lags,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rooms", type=int, nargs="+", default=[1, 2, 4], help="in this order")
    parser.add_argument("--seconds", type=float, default=25.0, help="of talk, for each number")


async def run(arguments: argparse.Namespace) -> Measured:
    whisper = str(whisper_folder("base"))
    ours, theirs = Capacity(), Capacity()
    # every account gets its own room; both tutors speak at the normal rate
    with (
        measured_loops() as lag,
        running_stack(WHISPER_MODEL=whisper, ROOM_SCOPE="learner", ESPEAK_RATE="165") as stack,
        running_plain_worker(stack, PlainOptions(whisper)) as plain,
    ):
        for number in range(arguments.runs):
            for count in arguments.rooms:
                for rooms, capacity, log in (
                    (OurRooms(stack), ours, stack.home / "log" / "agent.log"),
                    (PlainRooms(stack, plain), theirs, plain.log),
                ):
                    late_before = log.read_text().count(BEHIND)
                    await measure_rooms(rooms, count, arguments.seconds, capacity, lag)
                    late = log.read_text().count(BEHIND) - late_before
                    if capacity.lag_p99_ms[count] < MAX_LAG_MS and not late:
                        capacity.in_time = max(capacity.in_time, count)
                    print(
                        f"run {number + 1}, {rooms.name}, {count} rooms:"
                        f" {capacity.windows[-1].total_cpu_ms:.0f} ms/s each, loop lag p99"
                        f" {capacity.lag_p99_ms[count]:.1f} ms, {late} late detections",
                        flush=True,
                    )
    cores = os.cpu_count() or 1
    return Measured(
        unit="rooms",
        ours=summarise(ours.carried_by(cores)),
        baselines={PLAIN: summarise(theirs.carried_by(cores))},
        quality={
            "loop_lag_p99_ms": ours.lag_p99_ms[max(1, ours.in_time)],
            "ours": ours.make_quality(),
            PLAIN: theirs.make_quality(),
        },
    )


async def measure_rooms(
    rooms: Rooms, count: int, seconds: float, capacity: Capacity, lag: LoopLag
) -> None:
    try:
        await rooms.open_up_to(count)
        window = await measure_talk(rooms, seconds)
        late_ms = lag.list_ms(window.began, window.ended, rooms.job_pids())
    finally:
        await rooms.close()
    capacity.windows.append(window)
    capacity.lag_p99_ms[count] = max(percentile(late_ms, 0.99), capacity.lag_p99_ms.get(count, 0.0))
