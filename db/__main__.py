"""`python -m db serve|migrate|url`: the embedded server, migrations, the DSN."""

import argparse
import asyncio
import logging
import sys

from db.embedded import EmbeddedError, cluster_of, ensure_database, serve
from settings import Settings, SettingsError, load_settings


def main() -> int:
    """Exit code 0, or 1 with one line on stderr that says what to do."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    arguments = parse_arguments()
    try:
        asyncio.run(run(arguments, load_settings()))
    except (EmbeddedError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command and its arguments."""
    parser = argparse.ArgumentParser(prog="python -m db", description="Bodh's database")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the embedded Postgres until Ctrl-C")
    commands.add_parser("migrate", help="bring the database to this code's revision")
    commands.add_parser("url", help="print the DSN of the application's role")
    return parser.parse_args()


async def run(arguments: argparse.Namespace, settings: Settings) -> None:
    """Runs one command."""
    match arguments.command:
        case "serve":
            await serve_embedded(settings)
        case "migrate":
            await migrate_database(settings)
        case "url":
            sys.stdout.write(f"{settings.app_dsn}\n")


async def serve_embedded(settings: Settings) -> None:
    """Runs the server in the foreground. Raises EmbeddedError where a DATABASE_URL is set."""
    if not settings.embedded_postgres:
        raise EmbeddedError("DATABASE_URL is set: there is no embedded Postgres to serve")
    await serve(cluster_of(settings))


async def migrate_database(settings: Settings) -> None:
    """Migrates; on the embedded server the roles and the database are made first."""
    from db.migrate import MigrationError, migrate

    if settings.embedded_postgres:
        await ensure_database(cluster_of(settings))
    try:
        await migrate(settings.owner_dsn)
    except MigrationError as error:
        raise EmbeddedError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
