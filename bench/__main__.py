"""`python -m bench lesson|first-words|page|faults`: starts a Bodh of its own and prints figures."""

import argparse
import asyncio
import secrets

from bench import first_words, lesson, page
from bench.faults.catalogue import CATALOGUE
from bench.faults.run import run as run_faults
from harness.run import begin, keep_temporary_files


def main() -> None:
    keep_temporary_files(begin())
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    changes = commands.add_parser("lesson", help="lesson change -> state of the next model request")
    changes.add_argument("--changes", type=int, default=50)
    words = commands.add_parser("first-words", help="greeting and answer, beside a plain worker")
    words.add_argument("--runs", type=int, default=20)
    faults = commands.add_parser("faults", help="kills parts of it while learners talk")
    faults.add_argument("--kills", type=int, default=30, help="faults at most")
    faults.add_argument("--minutes", type=float, default=8.0, help="minutes at most")
    faults.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    faults.add_argument("--kind", action="append", choices=CATALOGUE, help="all where not given")
    opened = commands.add_parser("page", help="the page in a browser: readable, first sound")
    opened.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.command == "lesson":
        asyncio.run(lesson.run(arguments.changes))
    elif arguments.command == "page":
        asyncio.run(page.run(arguments.runs))
    elif arguments.command == "faults":
        kinds = arguments.kind or list(CATALOGUE)
        asyncio.run(run_faults(arguments.kills, arguments.minutes, arguments.seed, kinds))
    else:
        asyncio.run(first_words.run(arguments.runs))


main()
