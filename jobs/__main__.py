"""`python -m jobs`: runs background jobs; `python -m jobs retry` queues the failed ones again."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

import asyncpg

import telemetry
from db import AWAY, CONNECT_S, FROZEN_S, Pool, acquire, create_pool, tenant_tx
from db.queue import retry_failed_jobs
from db.retention import days_from_settings
from db.role_rights import refuse_powerful_role
from db.storage import open_storage
from db.tenants import list_tenants
from jobs.runner import JobRunner
from jobs.work import JobResources
from settings import Settings, SettingsError, prepare_settings
from telemetry.restarting import run_restarting, run_until_stopped


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs", description="Bodh's background jobs")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run queued jobs until SIGTERM (the default)")
    commands.add_parser("retry", help="queue the failed jobs of all tenants again")
    arguments = parser.parse_args()
    try:
        settings = prepare_settings("jobs")
        refuse_powerful_role(settings, "DATABASE_JOBS_URL")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.command == "retry":
        return retry_failed_and_print(settings)
    telemetry.start("jobs", settings)
    asyncio.run(run_until_stopped(run_jobs(settings)))
    return 0


async def run_jobs(settings: Settings) -> None:
    pool = await create_pool(settings.jobs_dsn, max_size=settings.database_pool_size)
    parts = JobResources(pool, open_storage(settings), utc_now, days_from_settings(settings))
    try:
        await run_restarting("queue", lambda: run_on_connection(settings, parts))
    finally:
        pool.terminate()


async def run_on_connection(settings: Settings, parts: JobResources) -> None:
    db = await asyncpg.connect(settings.jobs_dsn, timeout=CONNECT_S, command_timeout=FROZEN_S)
    try:
        await JobRunner(db, parts).run()
    finally:
        db.terminate()


def retry_failed_and_print(settings: Settings) -> int:
    try:
        count = asyncio.run(connect_and_retry(settings))
    except AWAY as error:
        print(f"the database does not respond ({type(error).__name__})", file=sys.stderr)
        return 1
    print(f"{count} jobs queued again")
    return 0


async def connect_and_retry(settings: Settings) -> int:
    async with await create_pool(settings.jobs_dsn, max_size=1) as pool:
        return await _retry_tenants(pool)


async def _retry_tenants(pool: Pool) -> int:
    async with acquire(pool) as db:
        tenants = await list_tenants(db)
    count = 0
    for tenant in tenants:
        async with tenant_tx(pool, tenant.id) as db:
            count += await retry_failed_jobs(db, tenant.id)
    return count


def utc_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
