"""`python -m bench NAME`: starts its own Bodh and prints results."""

import argparse
import asyncio
import secrets

from bench import first_words, hostile, lesson, page
from bench.faults.catalogue import CATALOGUE
from bench.faults.run import run_benchmark as run_faults
from harness.run_folder import begin_run, use_own_temporary_folder


def main() -> None:
    use_own_temporary_folder(begin_run())
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    changes = commands.add_parser(
        "lesson", help="time from a lesson change to the next model request"
    )
    changes.add_argument("--changes", type=int, default=50)
    words = commands.add_parser(
        "first-words", help="time to greeting and answer, compared with a plain worker"
    )
    words.add_argument("--runs", type=int, default=20)
    faults = commands.add_parser("faults", help="kill parts of it while learners talk")
    faults.add_argument("--kills", type=int, default=30, help="maximum number of faults")
    faults.add_argument("--minutes", type=float, default=8.0, help="maximum duration")
    faults.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    faults.add_argument(
        "--kind", action="append", choices=CATALOGUE, help="may be repeated; default: all"
    )
    opened = commands.add_parser(
        "page", help="time until the page is readable, and to the first sound"
    )
    opened.add_argument("--runs", type=int, default=10)
    attacked = commands.add_parser(
        "hostile", help="answer times of a learner beside a participant who attacks"
    )
    attacked.add_argument("--seconds", type=float, default=60.0, help="of each attack")
    attacked.add_argument("--rounds", type=int, default=2, help="attacks")
    arguments = parser.parse_args()
    if arguments.command == "lesson":
        asyncio.run(lesson.run_benchmark(arguments.changes))
    elif arguments.command == "page":
        asyncio.run(page.run_benchmark(arguments.runs))
    elif arguments.command == "hostile":
        asyncio.run(hostile.run_benchmark(arguments.seconds, arguments.rounds))
    elif arguments.command == "faults":
        kinds = arguments.kind or list(CATALOGUE)
        asyncio.run(run_faults(arguments.kills, arguments.minutes, arguments.seed, kinds))
    else:
        asyncio.run(first_words.run_benchmark(arguments.runs))


main()
