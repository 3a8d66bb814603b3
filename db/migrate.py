"""Migrations: runs Alembic, one process at a time."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_216_114  # any number, the same in every process that migrates
LOCK_WAIT_S = 120.0


class MigrationError(Exception):
    pass


async def migrate(dsn: str) -> None:
    """Upgrades the database to the newest revision, as the owner of its tables.

    If several processes call this at once, one runs and the others wait. Raises MigrationError.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["dsn"] = dsn
    # env.py runs its own event loop
    await asyncio.to_thread(command.upgrade, config, "head")
    logger.info("database migrated")


async def migrate_online(config: Config, script: ScriptDirectory) -> None:
    dsn = config.attributes["dsn"]
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    async with engine.connect() as db:
        await _lock_migrations(db)
        await db.run_sync(_refuse_newer_database, script)
        await db.run_sync(_run_migrations)
    await engine.dispose()


async def _lock_migrations(db: AsyncConnection) -> None:
    """Waits by polling: a blocking lock would deadlock with `create index concurrently`."""
    for _ in range(int(LOCK_WAIT_S / 0.1)):
        got = await db.scalar(text("select pg_try_advisory_lock(:key)"), {"key": LOCK})
        await db.commit()
        if got:
            return
        await asyncio.sleep(0.1)
    raise MigrationError(f"another process has been migrating for more than {LOCK_WAIT_S:.0f} s")


def _refuse_newer_database(db: SyncConnection, script: ScriptDirectory) -> None:
    known = {revision.revision for revision in script.walk_revisions()}
    newer = set(MigrationContext.configure(db).get_current_heads()) - known
    db.commit()
    if newer:
        raise MigrationError(
            f"the database is ahead of this code (revision {', '.join(sorted(newer))}): "
            "update the checkout, or use another BODH_HOME or DATABASE_URL"
        )


def _run_migrations(db: SyncConnection) -> None:
    from alembic import context

    context.configure(connection=db, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def run_script(path: Path) -> None:
    """Runs a file of SQL statements in the transaction of the revision.

    SQLAlchemy prepares one statement at a time, so the text goes straight to the driver.
    """
    db = op.get_bind()
    db.exec_driver_sql("select 1")  # the dialect begins its transaction with the first statement
    driver: Any = db.connection.driver_connection
    await_only(driver.execute(path.read_text()))
