"""`python -m settings check`: prints what production would refuse, a line for each problem."""

import argparse
import asyncio
import sys

from db import AWAY
from db.role_rights import find_problem_of_role, role_dsns
from settings import Settings, SettingsError, list_problems, read_settings_from_environment


def main() -> int:
    """Returns the exit code: 0 if production can start, 1 after the problems on stdout."""
    parser = argparse.ArgumentParser(prog="python -m settings", description="Bodh's settings")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("check", help="print what production would refuse")
    parser.parse_args()
    try:
        settings = read_settings_from_environment()
    except SettingsError as error:
        print(error)
        return 1
    problems = list_problems(settings) + asyncio.run(find_role_problems_in_database(settings))
    print("\n".join(problems) or "production can start with these settings")
    return 1 if problems else 0


async def find_role_problems_in_database(settings: Settings) -> list[str]:
    if not settings.database_url:
        return []  # reported as missing
    problems: dict[str, str] = {}  # several settings may share a role
    for name, dsn in role_dsns(settings).items():
        try:
            problems.setdefault(dsn, await find_problem_of_role(name, dsn))
        except AWAY as error:
            problems.setdefault(dsn, f"{name}: the database does not respond ({error})")
    return [problem for problem in problems.values() if problem]


if __name__ == "__main__":
    sys.exit(main())
