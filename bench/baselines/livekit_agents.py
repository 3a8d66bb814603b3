"""A worker of plain livekit-agents beside a running Bodh, on the same livekit-server."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness.stack import ROOT, Stack


def plain_log_path(stack: Stack) -> Path:
    return stack.home / "log" / "plain.log"


@contextlib.contextmanager
def running_plain_worker(stack: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    settings = stack.settings
    environment = {
        **os.environ,
        "BODH_HOME": str(stack.home),
        "LIVEKIT_URL": f"ws://127.0.0.1:{stack.environment['LIVEKIT_PORT']}",
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",
        "PYTHONPATH": str(ROOT),
    }
    with plain_log_path(stack).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.baselines.livekit_agents_worker", "start"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while b"registered worker" not in plain_log_path(stack).read_bytes():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("the plain worker did not register")
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
