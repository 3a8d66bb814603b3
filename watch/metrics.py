"""Serves /metrics for all processes of this host, on loopback."""

import asyncio

from prometheus_client import start_http_server

from settings import Settings
from telemetry.gather import registry_that_reads_metric_files
from telemetry.startup import metrics_dir


async def serve_metrics(settings: Settings) -> None:
    """Serves until cancelled. Raises OSError if the port is taken."""
    server, thread = start_http_server(
        settings.metrics_address_port,
        addr="127.0.0.1",
        registry=registry_that_reads_metric_files(metrics_dir(settings)),
    )
    try:
        await asyncio.Event().wait()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
