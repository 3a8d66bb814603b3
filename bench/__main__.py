"""`python -m bench lesson|first-words`: starts a Bodh of its own and prints figures."""

import argparse
import asyncio

from bench import first_words, lesson


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    changes = commands.add_parser("lesson", help="lesson change -> state of the next model request")
    changes.add_argument("--changes", type=int, default=50)
    words = commands.add_parser("first-words", help="greeting and answer, beside a plain worker")
    words.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.command == "lesson":
        asyncio.run(lesson.run(arguments.changes))
    else:
        asyncio.run(first_words.run(arguments.runs))


main()
