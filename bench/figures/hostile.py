"""What a hostile participant costs the other learner in the room."""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.result import Measured, summarise
from harness.attacker import Mode
from harness.hostile_room import HostileRoom, Result, hostile_room
from harness.stack import running_stack

WARM_S = 10.0
PATIENCE_S = 15.0  # an answer that has not come by then counts as this


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60.0, help="of each attack")


async def run(arguments: argparse.Namespace) -> Measured:
    """Attacks, and then makes harmless noise for as long, `--runs` times."""
    found: dict[Mode, list[Result]] = {"hostile": [], "harmless": []}
    with running_stack() as stack:
        async with hostile_room(stack) as room:
            for mode in found:  # warm
                await room.ask_beside(mode, WARM_S, patience_s=PATIENCE_S)
            log = stack.home / "log" / "agent.log"
            memory_mb, lines = room.measure_memory_mb(), _count_lines(log)
            for number in range(1, arguments.runs + 1):
                for mode, results in found.items():
                    results.append(
                        await room.ask_beside(mode, arguments.seconds, patience_s=PATIENCE_S)
                    )
                    print(f"round {number}: {_describe_result(results[-1])}", flush=True)
            lines = _count_lines(log) - lines
    return _make_result(found, room, memory_mb, lines / arguments.runs)


def _make_result(
    found: dict[Mode, list[Result]], room: HostileRoom, memory_before_mb: float, log_lines: float
) -> Measured:
    """Milliseconds from a question to the first words: beside the attack, and beside noise."""
    answers = {mode: summarise(_answer_times_ms(results)) for mode, results in found.items()}
    every = [one for results in found.values() for one in results]
    return Measured(
        unit="ms",
        ours=answers["hostile"],
        baselines={"harmless": answers["harmless"]},
        quality={
            "agent_more_mb": max(one.memory_mb for one in every) - memory_before_mb,
            "event_rows": max(one.events for one in found["hostile"]),
            "agents": len(room.agents),
            "unanswered": sum(one is None for result in every for one in result.answers_s),
            "attacker_cores": max(map(_count_cores, every)),
            "log_lines": log_lines,
        },
    )


def _describe_result(result: Result) -> str:
    times, stretch = _answer_times_ms([result]), result.stretch
    return (
        f"{stretch.mode} median {statistics.median(times):.0f} ms, n={len(times)}, "
        f"{stretch.bytes / stretch.seconds / 1000:.0f} kB/s, {stretch.joins} joins, "
        f"{_count_cores(result):.2f} cores, {result.events} rows, {result.memory_mb:.0f} MB"
    )


def _count_cores(result: Result) -> float:
    return result.stretch.cpu_s / result.stretch.seconds


def _answer_times_ms(results: Sequence[Result]) -> list[float]:
    return [
        1000 * (PATIENCE_S if seconds is None else seconds)
        for result in results
        for seconds in result.answers_s
    ]


def _count_lines(log: Path) -> int:
    with log.open("rb") as file:
        return sum(1 for _ in file)
