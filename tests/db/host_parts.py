"""A host in a test: its own BODH_HOME, a database, and `python -m db` as an operator runs it."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from agent.durable.drain import Drainer
from agent.durable.spool import Entry, Spool
from db import create_pool
from db.backup import find_postgres_program
from db.transcripts import Segment
from settings import Settings
from tests.conftest import ROOT, Database

_segments = TypeAdapter(Segment)


class OperatedHost:
    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home
        self.env = {
            "BODH_HOME": str(home),
            "DATABASE_URL": database.dsn(),
            "DATABASE_OWNER_URL": database.dsn("bodh_owner"),
            "DATABASE_JOBS_URL": database.dsn("bodh_jobs"),
        }
        self.settings = Settings(_env_file=None, bodh_home=home, database_url=database.dsn())

    @property
    def process_env(self) -> dict[str, str]:
        return os.environ | self.env

    async def start_command(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "db", *arguments),
            cwd=ROOT,
            env=self.process_env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run_command(self, *arguments: str) -> tuple[int | None, str]:
        """Returns the exit code and everything printed, which is also kept as a log file."""
        process = await self.start_command(*arguments)
        output, _ = await process.communicate()
        log = self.home / "log" / "database.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(output)
        return process.returncode, output.decode()

    async def back_up(self, folder: Path) -> None:
        code, output = await self.run_command(
            "backup", str(folder), "--url", self.database.dsn("postgres")
        )
        assert code == 0, output

    async def spool(self, tenant_id: UUID, *segments: Segment) -> None:
        spool = Spool(self.settings.spool_path)
        for one in segments:
            payload = _segments.dump_python(one, mode="json")
            await spool.write_entry(Entry(tenant_id, one.session_id, "segment", one.id, payload))
        await spool.close()

    async def drain(self) -> None:
        """Drains everything, then sweeps the spool."""
        spool = Spool(self.settings.spool_path)
        pool = await create_pool(self.database.dsn("bodh_drain"), max_size=2)
        drainer = Drainer(spool, pool)
        while await drainer.drain_batch():
            pass
        await drainer.sweep_spool()
        await pool.close()
        await spool.close()


def files_with(folder: Path, *texts: str) -> set[str]:
    """The files below a folder that contain one of these texts, as paths in the folder."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(text.encode() in path.read_bytes() for text in texts)
    }


async def dump_with(backup: Path, *texts: str) -> set[str]:
    """Which of these texts are in a backup's dump of Postgres, once it is unpacked."""
    process = await asyncio.create_subprocess_exec(
        find_postgres_program("pg_restore"), "--file=-", str(backup / "postgres.dump"),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    script, _ = await process.communicate()
    assert process.returncode == 0
    return {text for text in texts if text.encode() in script}


async def tables_with(database: Database, *texts: str) -> set[str]:
    """The tables of all schemas of ours with a row that contains one of these texts."""
    db = await asyncpg.connect(database.dsn("postgres"))
    try:
        tables = await db.fetch(
            """select format('%I.%I', n.nspname, c.relname) as name from pg_class c
               join pg_namespace n on n.oid = c.relnamespace
               where c.relkind = 'r' and n.nspname in ('public', 'pgqueuer')"""
        )
        return {
            name
            for (name,) in tables
            for text in texts
            if await db.fetchval(
                f"select exists (select from {name} t where position($1 in t::text) > 0)",  # noqa: S608
                text,
            )
        }
    finally:
        await db.close()
