"""A small S3 server for tests: moto's, in its own process."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2

from harness.stack import free_port

BUCKET = "bodh-test"


@dataclass(frozen=True)
class S3:
    endpoint: str


@contextlib.asynccontextmanager
async def running_s3() -> AsyncIterator[S3]:
    """Runs the server with an empty bucket, BUCKET."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    endpoint = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=endpoint) as client, asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    answer = await client.put(f"/{BUCKET}")
                    assert answer.status_code == 200, answer.text
                    break
                await asyncio.sleep(0.1)
        yield S3(endpoint)
    finally:
        process.kill()
        await process.wait()
