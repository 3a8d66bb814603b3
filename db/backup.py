"""Backup and restore of Postgres, spool and inbox in one folder.

The spool is copied first. Entries drained between the two copies are in both, and draining them
again changes nothing, so a backup contains everything that was said before it began.
"""

import asyncio
import fcntl
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

import asyncpg

from db.embedded import (
    SUPERUSER,
    EmbeddedError,
    cluster_of,
    ensure_database,
    find_postgres_binaries,
    start_server,
    stop_server,
)
from db.erasure_notes import replay_notes
from db.local_queue import open_queue_file
from db.scrubbing import scrub_inbox, scrub_spool
from db.storage import open_storage
from settings import Settings

DRAFT = ".bodh-backup-"  # unfinished backups begin with this
# without sessions: a restore must not bring back one that was ended since
DUMP_OPTIONS = ("--format=custom", "--exclude-table-data=auth_sessions")
DUMP = "postgres.dump"
STORAGE = "storage"


class BackupError(Exception):
    pass


async def back_up(settings: Settings, folder: Path, url: str) -> None:
    """Writes a new folder with mode 0700. Works while everything is running.

    With your own Postgres, `url` is the DSN of a role that bypasses row-level security. Raises
    BackupError, EmbeddedError. Leaves nothing behind if it fails or is cancelled.
    """
    with _draft_folder_for(folder) as draft:
        try:
            await _copy_everything(settings, draft, url)
        except (OSError, sqlite3.Error) as error:
            raise BackupError(f"the backup failed ({error}): nothing was kept of it") from error
        draft.rename(folder)


async def _copy_everything(settings: Settings, draft: Path, url: str) -> None:
    for source in _sqlite_files(settings):
        if source.exists():
            await _finish_in_thread(copy_sqlite, source, draft / source.name)
    async with open_admin_dsn(settings, url) as dsn:
        await _run_postgres_program("pg_dump", dsn, *DUMP_OPTIONS, f"--file={draft / DUMP}")
        await _scrub_copied_queues(dsn, settings, draft)
    # last, so it has every object that a dumped row refers to
    await _copy_objects(settings.storage_dir, draft / STORAGE)


async def _scrub_copied_queues(dsn: str, settings: Settings, draft: Path) -> None:
    """Removes from the copied queues what was erased, in case no drainer has done it yet."""
    spool, inbox = (draft / path.name for path in _sqlite_files(settings))
    db = await asyncpg.connect(dsn)
    try:
        if spool.exists():
            with closing(open_queue_file(spool)) as copy:
                await scrub_spool(db, copy, waiting=True)
        if inbox.exists():
            with closing(open_queue_file(inbox)) as copy:
                await scrub_inbox(db, copy)
    finally:
        await db.close()


async def restore(settings: Settings, folder: Path, url: str) -> int:
    """Restores into an empty database and BODH_HOME, migrates, and repeats later erasures.

    Returns how many erasures it repeated. Raises BackupError, EmbeddedError.
    """
    if not (folder / DUMP).is_file():
        raise BackupError(f"{folder} is not a backup: it has no {DUMP}")
    targets = (*_sqlite_files(settings), settings.storage_dir)
    present = [str(path) for path in targets if path.exists()]
    if present:
        raise BackupError(f"{' and '.join(present)} would be overwritten: move them away first")
    async with open_admin_dsn(settings, url) as dsn:
        await _check_database_empty(dsn)
        await _run_postgres_program("pg_restore", dsn, "--single-transaction", str(folder / DUMP))
        await _restore_files(settings, folder)
        await _migrate_as_owner(dsn)
        return await replay_erasures(settings, dsn)


async def _restore_files(settings: Settings, folder: Path) -> None:
    for target in _sqlite_files(settings):
        source = folder / target.name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            await _finish_in_thread(copy_sqlite, source, target)
    await _copy_objects(folder / STORAGE, settings.storage_dir)


async def _migrate_as_owner(dsn: str) -> None:
    """Brings an older backup to this code's revision, as the role that owns its tables."""
    from db.migrate import MigrationError, migrate

    db = await asyncpg.connect(dsn)
    try:
        owner = await db.fetchval("select tableowner from pg_tables where tablename = 'tenants'")
    finally:
        await db.close()
    try:
        await migrate(f"{dsn}{'&' if '?' in dsn else '?'}role={quote(owner)}")
    except MigrationError as error:
        raise BackupError(f"the backup was restored, but not migrated: {error}") from error


async def replay_erasures(settings: Settings, dsn: str) -> int:
    """Erases again what this host has noted as erased. Returns how many erasures it repeated."""
    if not settings.erasures_path.exists():  # opening the storage would create its folder
        return 0
    db = await asyncpg.connect(dsn)
    try:
        return await replay_notes(db, open_storage(settings), settings.erasures_path)
    finally:
        await db.close()


@contextmanager
def _draft_folder_for(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which is removed at the end unless it was renamed.

    Also removes the drafts that killed backups have left beside it: a lock shows which are in use.
    """
    if folder.exists():
        raise BackupError(f"{folder} already exists: choose a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f"{DRAFT}*"):
        with suppress(FileNotFoundError), _locked_folder(old) as free:
            if free:
                shutil.rmtree(old, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder.parent))  # with mode 0700
    try:
        with _locked_folder(draft):
            yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[bool]:
    """Locks a folder until the end of the block. False if another process holds the lock."""
    file = os.open(folder, os.O_RDONLY)
    free = True
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        yield free
    finally:
        os.close(file)


def copy_sqlite(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=10)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        here.execute("pragma synchronous = full")
        there.backup(here)
    target.chmod(0o600)


async def _copy_objects(source: Path, target: Path) -> None:
    """Copies a folder, if there is one, file by file: a cancellation waits for one file."""
    for folder, _, names in os.walk(source):
        copy = target / Path(folder).relative_to(source)
        await _finish_in_thread(_ensure_folder, copy)
        for name in names:
            with suppress(FileNotFoundError):  # deleted since it was listed
                await _finish_in_thread(shutil.copy2, Path(folder, name), copy / name)


def _ensure_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


async def _finish_in_thread(function: Callable[..., object], *arguments: Path) -> None:
    """Waits for the thread even if cancelled: it must not write to a folder that was removed."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


@asynccontextmanager
async def open_admin_dsn(settings: Settings, url: str) -> AsyncIterator[str]:
    """Yields the DSN of a role that can access every row. Starts the embedded server if needed."""
    if url:
        yield url
        return
    if not settings.embedded_postgres:
        raise BackupError(
            "DATABASE_URL is set: pass --url with a role that bypasses row-level security, "
            "such as the server's superuser"
        )
    cluster = cluster_of(settings)
    child = await start_server(cluster)
    try:
        await ensure_database(cluster)
        yield cluster.dsn(SUPERUSER)
    finally:
        if child is not None:  # it was not running before
            await stop_server(cluster)


def _sqlite_files(settings: Settings) -> Iterator[Path]:
    yield settings.spool_path
    yield settings.inbox_path


async def _check_database_empty(dsn: str) -> None:
    db = await asyncpg.connect(dsn)
    try:
        tables = await db.fetchval(
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        )
    finally:
        await db.close()
    if tables:
        raise BackupError("the database is not empty: restore into a new one (`make reset`)")


async def _run_postgres_program(program: str, dsn: str, *arguments: str) -> None:
    """Runs a Postgres program: the bundled one, else the one on the PATH."""
    url, password = split_password(dsn)
    process = await asyncio.create_subprocess_exec(
        find_postgres_program(program),
        *arguments,
        f"--dbname={url}",
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"LC_ALL": "C"} | password,
    )
    try:
        _, stderr = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise BackupError(f"{program} failed: {' '.join(last)}")


def split_password(dsn: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and the password as an environment variable.

    Other users can read a process's arguments. Raises BackupError if it is not a URL.
    """
    if not dsn.startswith(("postgresql://", "postgres://")):
        raise BackupError("--url takes a URL: postgresql://role@host/database")
    credentials = re.match(r"(\w+://[^:@/]*):([^@/]*)(?=@)", dsn)  # as libpq splits them
    password = credentials[2] if credentials else None
    bare = credentials[1] + dsn[credentials.end() :] if credentials else dsn
    place, _, query = bare.partition("?")
    kept = []
    for option in query.split("&"):
        if option.startswith("password="):
            password = option.removeprefix("password=")
        elif option:
            kept.append(option)
    url = f"{place}?{'&'.join(kept)}" if kept else place
    return url, {} if password is None else {"PGPASSWORD": unquote(password)}


def find_postgres_program(program: str) -> str:
    """The path of a client program of Postgres, preferably ours. Raises BackupError."""
    try:
        return str(find_postgres_binaries() / program)
    except EmbeddedError:
        found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed: install the client programs of Postgres")
    return found
