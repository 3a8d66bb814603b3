"""A real livekit-server for tests, configured as `make up` configures it."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from harness.stack import ROOT, free_port
from scripts.livekit import write_livekit_config
from settings import Settings

START_S = 20.0


@dataclass(frozen=True)
class MediaServer:
    pid: int
    port: int
    api_key: str
    api_secret: str

    def configure(self, settings: Settings) -> None:
        settings.livekit_port = self.port
        settings.livekit_api_key = self.api_key
        settings.livekit_api_secret = SecretStr(self.api_secret)


def livekit_binary() -> Path:
    named = os.environ.get("LIVEKIT_SERVER_BIN")
    return Path(named) if named else ROOT / ".tools" / "bin" / "livekit-server"


@contextlib.contextmanager
def running_livekit(settings: Settings) -> Iterator[MediaServer]:
    settings.livekit_port = free_port(span=3)
    with tempfile.TemporaryDirectory(prefix="bodh-livekit-") as folder:
        config, log = Path(folder) / "livekit.json", Path(folder) / "livekit.log"
        write_livekit_config(settings, config)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [livekit_binary(), "--config", config], stdout=output, stderr=output
            )
            try:
                _wait_until_listening(process, settings.livekit_port, log)
                yield MediaServer(
                    process.pid,
                    settings.livekit_port,
                    settings.livekit_api_key,
                    settings.livekit_api_secret.get_secret_value(),
                )
            finally:
                process.kill()  # it has nothing to save
                process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"livekit-server did not start:\n{log.read_text()[-2000:]}")
