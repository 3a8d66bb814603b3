"""CPU seconds of a recogniser per second of speech, including decodes that it threw away."""

import argparse

from bench.result import Measured, summarise
from bench.speech_engine import add_arguments, compare_recognisers, report

__all__ = ["add_arguments", "run"]


async def run(arguments: argparse.Namespace) -> Measured:
    talked, failed = await compare_recognisers(
        model=arguments.model, rooms=arguments.rooms, runs=arguments.runs
    )
    values = {name: summarise(one.cpu_per_s) for name, one in talked.items()}
    return report("s", values, talked, failed)
