"""Backup and restore of Postgres, spool and inbox in one folder.

The spool is copied first. Entries drained between the two copies are in both, and draining them
again changes nothing, so a backup contains everything that was said before it began.
"""

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import unquote

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
from settings import Settings

DUMP = "postgres.dump"
STORAGE = "storage"


class BackupError(Exception):
    pass


async def back_up(settings: Settings, folder: Path, url: str) -> None:
    """Writes a new folder with mode 0700. Works while everything is running.

    With your own Postgres, `url` is the DSN of a role that bypasses row-level security. Raises
    BackupError, EmbeddedError.
    """
    draft = _create_draft_folder(folder)
    for source in _sqlite_files(settings):
        if source.exists():
            await asyncio.to_thread(copy_sqlite, source, draft / source.name)
    async with open_admin_dsn(settings, url) as dsn:
        await _run_postgres_program("pg_dump", dsn, "--format=custom", f"--file={draft / DUMP}")
    if settings.storage_dir.exists():  # last, so it has every object that a dumped row refers to
        await asyncio.to_thread(shutil.copytree, settings.storage_dir, draft / STORAGE)
    draft.rename(folder)


async def restore(settings: Settings, folder: Path, url: str) -> None:
    """Restores into an empty database and BODH_HOME. Run `python -m db migrate` afterwards.

    Raises BackupError, EmbeddedError.
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
    for target in _sqlite_files(settings):
        source = folder / target.name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            await asyncio.to_thread(copy_sqlite, source, target)
    if (folder / STORAGE).exists():
        await asyncio.to_thread(shutil.copytree, folder / STORAGE, settings.storage_dir)


def _create_draft_folder(folder: Path) -> Path:
    """Creates the folder to write to; it is renamed when it is complete."""
    if folder.exists():
        raise BackupError(f"{folder} already exists: choose a new folder")
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    return draft


def copy_sqlite(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=10)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        here.execute("pragma synchronous = full")
        there.backup(here)
    target.chmod(0o600)


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
        _find_postgres_program(program),
        *arguments,
        f"--dbname={url}",
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"LC_ALL": "C"} | password,
    )
    _, stderr = await process.communicate()
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


def _find_postgres_program(program: str) -> str:
    try:
        return str(find_postgres_binaries() / program)
    except EmbeddedError:
        found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed: install the client programs of Postgres")
    return found
