"""`python -m watch`: watcher, webhooks, erasures, alarms and metrics; restarts what fails."""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack

import rooms
import telemetry
from db import create_pool
from db.role_rights import refuse_powerful_role
from settings import Settings, SettingsError, prepare_settings
from telemetry.restarting import run_restarting, run_until_stopped
from telemetry.startup import metrics_dir
from watch.erasures import run_erasure_watch
from watch.host_checks import HostChecks
from watch.metrics import serve_metrics
from watch.notices import NoticeWriter
from watch.watcher import keep_watch, utc_now
from watch.webhook_intake import apply_webhooks


async def run_watch(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        pool = await create_pool(settings.watch_dsn, max_size=settings.database_pool_size)
        stack.callback(pool.terminate)
        lk = rooms.make_media_client(settings)
        stack.push_async_callback(lk.aclose)
        async with asyncio.TaskGroup() as parts:
            parts.create_task(run_restarting("watcher", lambda: keep_watch(settings, lk, pool)))
            parts.create_task(run_restarting("webhooks", lambda: apply_webhooks(settings, pool)))
            parts.create_task(run_restarting("host", lambda: HostChecks(settings, lk, pool).run()))
            parts.create_task(run_restarting("erasures", lambda: run_erasure_watch(settings, pool)))
            notices = NoticeWriter(pool, metrics_dir(settings), utc_now, socket.gethostname())
            parts.create_task(run_restarting("notices", notices.run))
            parts.create_task(run_restarting("metrics", lambda: serve_metrics(settings)))


def main() -> int:
    try:
        settings = prepare_settings("watch")
        refuse_powerful_role(settings, "DATABASE_WATCH_URL")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    telemetry.start("watch", settings)
    asyncio.run(run_until_stopped(run_watch(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
