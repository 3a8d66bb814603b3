"""Time from the end of speech to its final text."""

import argparse

from bench.result import Measured, summarise
from bench.speech_engine import add_arguments, compare_recognisers, report

__all__ = ["add_arguments", "run"]


async def run(arguments: argparse.Namespace) -> Measured:
    talked, failed = await compare_recognisers(
        model=arguments.model, rooms=arguments.rooms, runs=arguments.runs
    )
    values = {
        name: summarise(1000 * one.after_s for one in each.recognised)
        for name, each in talked.items()
    }
    return report("ms", values, talked, failed)
