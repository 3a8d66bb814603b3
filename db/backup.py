"""Backup and restore: Postgres by its own tools, spool and inbox by SQLite's, in one folder.

The spool is copied first: what was in it and is drained before the dump is in both, and drained
again it changes nothing. So the folder holds all that was heard until the backup began.
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
    find_binaries,
    start,
    stop,
)
from settings import Settings

DUMP = "postgres.dump"


class BackupError(Exception):
    """It cannot be done; the message says what to do."""


async def back_up(settings: Settings, folder: Path, url: str) -> None:
    """Writes a new folder, also while everything runs; it holds what learners said: 0700.

    `url` is that of a role which row-level security does not bind, for a Postgres of one's own.
    Raises BackupError, EmbeddedError.
    """
    draft = _draft(folder)
    for source in _files(settings):
        if source.exists():
            await asyncio.to_thread(copy_sqlite, source, draft / source.name)
    async with administered(settings, url) as dsn:
        await _run("pg_dump", dsn, "--format=custom", f"--file={draft / DUMP}")
    draft.rename(folder)


async def restore(settings: Settings, folder: Path, url: str) -> None:
    """Fills an empty database and an empty BODH_HOME; `python -m db migrate` comes after.

    Raises BackupError, EmbeddedError.
    """
    if not (folder / DUMP).is_file():
        raise BackupError(f"{folder} holds no backup: it has no {DUMP}")
    present = [str(path) for path in _files(settings) if path.exists()]
    if present:
        raise BackupError(f"{' and '.join(present)} would be overwritten: move them away first")
    async with administered(settings, url) as dsn:
        await _check_empty(dsn)
        await _run("pg_restore", dsn, "--single-transaction", str(folder / DUMP))
    for target in _files(settings):
        source = folder / target.name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            await asyncio.to_thread(copy_sqlite, source, target)


def _draft(folder: Path) -> Path:
    """A folder beside the final one, which appears when it is whole."""
    if folder.exists():
        raise BackupError(f"{folder} is there already: name a new folder")
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    return draft


def copy_sqlite(source: Path, target: Path) -> None:
    """A whole copy of a database that others may be writing to."""
    with (
        closing(sqlite3.connect(source, timeout=10)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        here.execute("pragma synchronous = full")
        there.backup(here)
    target.chmod(0o600)


@asynccontextmanager
async def administered(settings: Settings, url: str) -> AsyncIterator[str]:
    """The DSN of a role that reads and writes every row; our own server runs meanwhile."""
    if url:
        yield url
        return
    if not settings.embedded_postgres:
        raise BackupError(
            "DATABASE_URL is set: give --url of a role that row-level security does not bind, "
            "such as the server's superuser"
        )
    cluster = cluster_of(settings)
    child = await start(cluster)
    try:
        await ensure_database(cluster)
        yield cluster.dsn(SUPERUSER)
    finally:
        if child is not None:  # it did not run before
            await stop(cluster)


def _files(settings: Settings) -> Iterator[Path]:
    yield settings.spool_path
    yield settings.inbox_path


async def _check_empty(dsn: str) -> None:
    db = await asyncpg.connect(dsn)
    try:
        tables = await db.fetchval(
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        )
    finally:
        await db.close()
    if tables:
        raise BackupError("the database is not empty: restore into a new one (`make reset`)")


async def _run(program: str, dsn: str, *arguments: str) -> None:
    """Runs a tool of Postgres: the one of the wheel, else the one on the PATH."""
    url, password = split_password(dsn)
    process = await asyncio.create_subprocess_exec(
        _tool(program),
        *arguments,
        f"--dbname={url}",
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"LC_ALL": "C"} | password,
    )
    _, told = await process.communicate()
    if process.returncode:
        last = told.decode(errors="replace").strip().splitlines()[-1:]
        raise BackupError(f"{program} failed: {' '.join(last)}")


def split_password(dsn: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and that as a variable: everybody reads arguments in /proc.

    Raises BackupError for what is not a URL.
    """
    if not dsn.startswith(("postgresql://", "postgres://")):
        raise BackupError("--url takes a URL: postgresql://role@host/database")
    credentials = re.match(r"(\w+://[^:@/]*):([^@/]*)(?=@)", dsn)  # as libpq cuts them
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


def _tool(program: str) -> str:
    try:
        return str(find_binaries() / program)
    except EmbeddedError:
        found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed: install the client programs of Postgres")
    return found
