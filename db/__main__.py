"""`python -m db`: the embedded server, migrations, courses, backup, verification."""

import argparse
import asyncio
import errno
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

import telemetry
from courses.folder import CourseFolderError, read_course
from courses.tree import build_tree
from db import AWAY, Conflict, acquire, create_pool, tenant_tx
from db.account_commands import (
    AccountError,
    block_person,
    give_role,
    make_or_invite_admin,
    record_guardian_consent,
    unblock_person,
    withdraw_guardian_consent,
)
from db.backup import BackupError, back_up, replay_erasures, restore
from db.consent_texts import consent_texts
from db.course_staff_commands import CourseError, change_and_print_staff
from db.embedded import EmbeddedError, cluster_of, ensure_database, serve_postgres
from db.erasing_commands import ErasingError, erase_whole_account, erase_whole_session
from db.export_command import ExportError, export_account
from db.importing import import_course
from db.pictures import store_pictures
from db.retention_commands import RetentionError, show_or_change_retention
from db.role_rights import refuse_powerful_role
from db.storage import StorageUnavailable, open_storage
from db.tenant_commands import TenantError, change_and_print_tenant, open_tenant
from db.tenants import DEFAULT, ensure_tenant
from db.verify import verify_logs
from settings import Settings, SettingsError, prepare_settings
from settings.needs import Process

SAMPLE = Path(__file__).parent / "sample"


class BrokenLogError(Exception):
    pass


PROBLEMS = (
    AccountError,
    BackupError,
    BrokenLogError,
    EmbeddedError,
    SettingsError,
    CourseFolderError,
    Conflict,
    CourseError,
    ErasingError,
    ExportError,
    RetentionError,
    TenantError,
)

UNMIGRATED = (
    asyncpg.InvalidCatalogNameError,  # no database
    asyncpg.InvalidAuthorizationSpecificationError,  # no role
    asyncpg.UndefinedTableError,
)

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

EXPECTED = (
    asyncio.CancelledError,
    sqlite3.Error,
    StorageUnavailable,
    *PROBLEMS,
    *UNMIGRATED,
    *AWAY,
)

ACCOUNT_COMMANDS = {
    "admin": "make the account an admin, or invite the first one",
    "role": "give the account a role that its sign-in does not change",
    "block": "sign the account out and keep it out, also of rooms",
    "unblock": "let the account in again",
    "consent": "record that a guardian agreed that the learner talks with Bodh",
}


def main() -> int:
    arguments = parse_arguments()
    telemetry.start_logging("postgres" if arguments.command == "serve" else "database")
    try:
        asyncio.run(
            run_until_stopped(
                arguments, prepare_settings(process_with_rights_for(arguments.command))
            )
        )
    except EXPECTED as error:
        sys.stderr.write(f"{explain_failure(error)}\n")
        return 1
    return 0


def explain_failure(error: BaseException) -> str:
    """One line that says what happened and what to do."""
    match error:
        case asyncio.CancelledError():
            return "stopped"
        case StorageUnavailable():
            return f"stored objects cannot be reached ({error}): check STORAGE_URL"
        case sqlite3.Error():
            return f"the spool or the inbox of this host cannot be used ({error})"
        case OSError() if _is_about_a_file(error):
            return f"a file cannot be used: {error}"
    if isinstance(error, UNMIGRATED):
        return "the database is empty: run `python -m db migrate` first"
    if isinstance(error, AWAY):
        return f"the database does not respond ({error}): start `python -m db serve`"
    return str(error)


def _is_about_a_file(error: OSError) -> bool:
    """Connections to the database raise OSError too, but name no file."""
    return error.filename is not None or error.errno in UNWRITABLE


def process_with_rights_for(command: str) -> Process:
    """Deleting is a right of the role that runs the background jobs."""
    return "jobs" if command in ("erase-account", "erase-session", "retention") else "db"


async def run_until_stopped(arguments: argparse.Namespace, settings: Settings) -> None:
    """Cancels the command at SIGTERM, so that it can remove what it has begun."""
    command = asyncio.create_task(run_command(arguments, settings))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, command.cancel)
    await command


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m db", description="Bodh's database")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the embedded Postgres until Ctrl-C")
    commands.add_parser("migrate", help="bring the database to this code's revision")
    seeding = commands.add_parser("seed", help="import the sample course")
    seeding.set_defaults(folder=SAMPLE, tenant=DEFAULT)
    importing = commands.add_parser("import", help="import a course folder, or update it")
    importing.add_argument("folder", type=Path)
    importing.add_argument("--tenant", default=DEFAULT, help="slug of the tenant")
    for name, text in ACCOUNT_COMMANDS.items():
        changing = commands.add_parser(name, help=text)
        changing.add_argument("who", metavar="EMAIL", help="or id, or `sub` of the sign-in")
        if name == "role":
            changing.add_argument("role", choices=("learner", "teacher", "admin", "provider"))
        if name == "consent":
            changing.add_argument("kind", choices=("guardian",))
            changing.add_argument("--withdraw", action="store_true", help="the guardian disagrees")
        changing.add_argument("--tenant", default=DEFAULT, help="slug of the tenant")
    commands.add_parser("url", help="print the DSN of the application's role")
    commands.add_parser("verify", help="check that no event log was changed")
    for name, text in (
        ("backup", "write Postgres, spool and inbox to a new folder"),
        ("restore", "restore a backup into an empty database and BODH_HOME"),
    ):
        saving = commands.add_parser(name, help=text)
        saving.add_argument("folder", type=Path)
        saving.add_argument("--url", default="", help="superuser's DSN; needed with DATABASE_URL")
    _add_privacy_commands(commands)
    _add_staff_command(commands)
    _add_tenant_command(commands)
    return parser.parse_args()


def _add_privacy_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    exporting = commands.add_parser("export-account", help="write all that is held about a person")
    exporting.add_argument("who", metavar="EMAIL", help="or id, or `sub` of the sign-in")
    exporting.add_argument("folder", type=Path, help="a new folder")
    exporting.add_argument("--tenant", default=DEFAULT, help="slug of the tenant")
    for name, key, text in (
        ("erase-account", "account", "delete a person: an id, e-mail address or `sub` of sign-in"),
        ("erase-session", "session", "delete a session that has ended"),
    ):
        erasing = commands.add_parser(name, help=text)
        erasing.add_argument(key)
        erasing.add_argument("--tenant", default=DEFAULT, help="slug of the tenant")
        erasing.add_argument("--yes", action="store_true", help="do not ask")
    keeping = commands.add_parser("retention", help="show or change how long things are kept")
    keeping.add_argument("--tenant", help="slug of the tenant; without it, all are shown")
    keeping.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KIND=DAYS",
        help="a rule of this tenant; 0 keeps it forever, `default` removes it",
    )


def _add_staff_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    staff = commands.add_parser("staff", help="show or change who teaches a course")
    staff.add_argument("course", help="slug or id of the course")
    staff.add_argument("who", metavar="EMAIL", nargs="?", help="or id, or `sub` of the sign-in")
    staff.add_argument("--role", choices=("teacher", "mentor"), default="teacher")
    staff.add_argument("--remove", action="store_true", help="take the person off the course")
    staff.add_argument("--tenant", default=DEFAULT, help="slug of the tenant")


def _add_tenant_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    tenant = commands.add_parser("tenant", help="show or change the rules of a tenant")
    tenant.add_argument("slug")
    tenant.add_argument("--room-scope", choices=("module", "learner", "choice"))
    tenant.add_argument("--guardian-consent", choices=("off", "required"))


async def run_command(arguments: argparse.Namespace, settings: Settings) -> None:
    match arguments.command:
        case "serve":
            await serve_embedded(settings)
        case "migrate":
            await migrate_and_repeat_erasures(settings)
        case "seed" | "import":
            await import_folder(settings, arguments.folder, arguments.tenant)
        case "backup" | "restore":
            await run_backup_command(arguments, settings)
        case "export-account" | "erase-account" | "erase-session" | "retention":
            await run_privacy_command(arguments, settings)
        case "verify":
            await verify_event_logs(settings)
        case "admin" | "role" | "block" | "unblock" | "staff" | "consent":
            await run_account_command(settings, arguments)
        case "tenant":
            await change_and_print_tenant(
                settings, arguments.slug, arguments.room_scope, arguments.guardian_consent
            )
        case "url":
            sys.stdout.write(f"{settings.app_dsn}\n")


async def run_backup_command(arguments: argparse.Namespace, settings: Settings) -> None:
    folder = arguments.folder.absolute()
    if arguments.command == "backup":
        await back_up(settings, folder, arguments.url)
    else:
        count = await restore(settings, folder, arguments.url)
        sys.stdout.write(f"restored; {count} later erasures repeated\n")


async def run_privacy_command(arguments: argparse.Namespace, settings: Settings) -> None:
    if arguments.command == "export-account":
        await export_account(settings, arguments.tenant, arguments.who, arguments.folder)
    elif arguments.command == "erase-account":
        await erase_whole_account(settings, arguments.tenant, arguments.account, yes=arguments.yes)
    elif arguments.command == "erase-session":
        await erase_whole_session(settings, arguments.tenant, arguments.session, yes=arguments.yes)
    else:
        await show_or_change_retention(settings, arguments.tenant, arguments.set)


async def serve_embedded(settings: Settings) -> None:
    if not settings.embedded_postgres:
        raise EmbeddedError("DATABASE_URL is set: there is no embedded Postgres to serve")
    await serve_postgres(cluster_of(settings))


async def migrate_and_repeat_erasures(settings: Settings) -> None:
    from db.migrate import MigrationError, migrate

    await asyncio.to_thread(refuse_powerful_role, settings, "DATABASE_OWNER_URL")
    if settings.embedded_postgres:
        await ensure_database(cluster_of(settings))
    try:
        await migrate(settings.owner_dsn)
    except MigrationError as error:
        raise EmbeddedError(str(error)) from error
    # where a server's own backup was restored
    if count := await replay_erasures(settings, settings.owner_dsn):
        sys.stdout.write(f"{count} erasures repeated after a restore\n")


async def import_folder(settings: Settings, folder: Path, tenant_slug: str) -> None:
    """Imports a course. Creates the tenant if it is missing. Raises CourseFolderError."""
    file = read_course(folder)
    async with await create_pool(settings.app_dsn, max_size=1) as pool:
        async with acquire(pool) as db:
            tenant = await ensure_tenant(db, tenant_slug, tenant_slug)
        async with tenant_tx(pool, tenant.id) as db:
            course = await import_course(db, tenant.id, build_tree(file, tenant.id))
            await store_pictures(db, open_storage(settings), tenant.id, course.id, file.pictures)
    lessons = sum(len(module.lessons) for module in file.modules)
    sys.stdout.write(f"{course.title}: {len(file.modules)} modules, {lessons} lessons\n")


async def run_account_command(settings: Settings, arguments: argparse.Namespace) -> None:
    async with (
        open_tenant(settings.app_dsn, arguments.tenant) as (pool, tenant),
        tenant_tx(pool, tenant.id) as db,
    ):
        match arguments.command:
            case "admin":
                await make_or_invite_admin(db, tenant.id, arguments.who)
            case "role":
                role = None if arguments.role == "provider" else arguments.role
                await give_role(db, tenant.id, arguments.who, role)
            case "block":
                await block_person(db, tenant.id, arguments.who, datetime.now(UTC))
            case "unblock":
                await unblock_person(db, tenant.id, arguments.who)
            case "staff":
                role = None if arguments.remove else arguments.role
                await change_and_print_staff(db, tenant.id, arguments.course, arguments.who, role)
            case "consent" if arguments.withdraw:
                now = datetime.now(UTC)
                await withdraw_guardian_consent(db, tenant.id, arguments.who, now)
            case "consent":
                text = consent_texts(settings)["guardian"]
                now = datetime.now(UTC)
                await record_guardian_consent(db, tenant.id, arguments.who, text, now)


async def verify_event_logs(settings: Settings) -> None:
    """Prints each broken log and a summary. Raises BrokenLogError if any log is broken."""
    sessions = events = broken = 0
    async with await create_pool(settings.app_dsn, max_size=1) as pool:
        async for log in verify_logs(pool):
            sessions, events = sessions + 1, events + log.events
            if log.broken_at is not None:
                broken += 1
                sys.stdout.write(
                    f"session {log.session_id} of tenant {log.tenant}: broken at event"
                    f" {log.broken_at} of {log.events}\n"
                )
    sys.stdout.write(f"{sessions} sessions, {events} events, {broken} broken\n")
    if broken:
        raise BrokenLogError("event logs were changed: see docs/operations.md, Event logs")


if __name__ == "__main__":
    sys.exit(main())
