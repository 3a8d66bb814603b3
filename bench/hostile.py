"""What a hostile participant costs the other learner in the room."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.figures import format_row
from harness.attacker import CORE_SHARE, Mode
from harness.hostile_room import HostileRoom, Result, hostile_room
from harness.stack import running_stack

WARM_S = 10.0
PATIENCE_S = 15.0  # an answer that has not come by then counts as this
MOST_RATIO, MOST_MB, MOST_ROWS = 1.5, 20.0, 200


async def run_benchmark(seconds: float, rounds: int) -> None:
    """Attacks for `seconds`, and then makes harmless noise for as long, `rounds` times."""
    print(f"load average at the start {os.getloadavg()[0]:.1f}")
    found: dict[Mode, list[Result]] = {"hostile": [], "harmless": []}
    with running_stack() as stack:
        async with hostile_room(stack) as room:
            for mode in found:  # warm
                await room.ask_beside(mode, WARM_S, patience_s=PATIENCE_S)
            log = stack.home / "log" / "agent.log"
            memory_mb, lines = room.measure_memory_mb(), _count_lines(log)
            for number in range(1, rounds + 1):
                for mode, results in found.items():
                    results.append(await room.ask_beside(mode, seconds, patience_s=PATIENCE_S))
                    print(f"round {number}: {_describe_result(results[-1])}", flush=True)
            lines = _count_lines(log) - lines
    _print_results(found, room, memory_mb)
    print(f"lines in the agent's log          {lines / rounds:8.0f}    per attack")


def _print_results(
    found: dict[Mode, list[Result]], room: HostileRoom, memory_before_mb: float
) -> None:
    answers = {mode: _answer_times(results) for mode, results in found.items()}
    for mode, times in answers.items():
        print(format_row(f"question -> first words, {mode}", times))
    ratio = statistics.median(answers["hostile"]) / statistics.median(answers["harmless"])
    every = [one for results in found.values() for one in results]
    more_mb = max(one.memory_mb for one in every) - memory_before_mb
    rows = max(one.events for one in found["hostile"])
    _print_bound("ratio of the medians", ratio, MOST_RATIO)
    _print_bound("memory of the agent job, more MB", more_mb, MOST_MB)
    _print_bound("rows of the event log per attack", rows, MOST_ROWS)
    _print_bound("agents that served", len(room.agents), 1)
    unanswered = sum(one is None for result in every for one in result.answers_s)
    _print_bound("questions without an answer", unanswered, 0)
    _print_bound("CPU of the attacker, cores", max(map(_count_cores, every)), CORE_SHARE + 0.05)
    print(f"load average at the end {os.getloadavg()[0]:.1f}")


def _print_bound(name: str, value: float, most: float) -> None:
    verdict = "met" if value <= most else "MISSED"
    print(f"{name:<33} {value:8.2f}    wanted <= {most:g}: {verdict}")


def _describe_result(result: Result) -> str:
    times, stretch = _answer_times([result]), result.stretch
    return (
        f"{stretch.mode} median {statistics.median(times):.2f} s, n={len(times)}, "
        f"{stretch.bytes / stretch.seconds / 1000:.0f} kB/s, {stretch.joins} joins, "
        f"{_count_cores(result):.2f} cores, {result.events} rows, {result.memory_mb:.0f} MB"
    )


def _count_cores(result: Result) -> float:
    return result.stretch.cpu_s / result.stretch.seconds


def _answer_times(results: Sequence[Result]) -> list[float]:
    return [
        PATIENCE_S if seconds is None else seconds
        for result in results
        for seconds in result.answers_s
    ]


def _count_lines(log: Path) -> int:
    with log.open("rb") as file:
        return sum(1 for _ in file)
