"""A complete Bodh, run as by `make up`, with its own ports and BODH_HOME."""

import contextlib
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from scripts.processes import list_marked_processes
from settings import Settings, fill_in_and_create_secrets

ROOT = Path(__file__).parent.parent
START_S = 180.0
STOP_S = 40.0
UP_COMMAND = (sys.executable, "-m", "scripts.up")
TUTOR_WPM = 240  # fast, to keep the tests short
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")  # gw0, gw1, ... if tests run in parallel
LOG_NAME = f"stack-{WORKER}.log" if WORKER else "stack.log"

# Each worker has its own thousand ports, below the kernel's range for outgoing connections. It
# starts at a random one, because another checkout may run its tests too.
FIRST_PORT_OF_WORKER = 10_000 + 1_000 * (int(WORKER.removeprefix("gw") or 0) % 20)
BLOCKED_BY_BROWSERS = frozenset({10_080})  # the only such port in this range
RANDOM_OFFSET = random.randrange(1_000)  # noqa: S311 not a secret
_ports = itertools.cycle(
    [FIRST_PORT_OF_WORKER + (RANDOM_OFFSET + number) % 1_000 for number in range(1_000)]
)


@dataclass
class Stack:
    url: str
    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)  # of all token servers; `url` is the first

    def __post_init__(self) -> None:
        self.urls.append(self.url)

    @property
    def settings(self) -> Settings:
        settings = Settings(
            _env_file=None,
            bodh_home=self.home,
            port=int(self.environment["PORT"]),
            livekit_port=int(self.environment["LIVEKIT_PORT"]),
        )
        return fill_in_and_create_secrets(settings)

    @property
    def superuser_dsn(self) -> str:
        """The address of its Postgres for the superuser, who bypasses row-level security."""
        return self.settings.owner_dsn.replace("bodh_owner", "postgres")

    def pids(self, name: str) -> list[int]:
        """Ids of this Bodh's processes whose command line matches a regular expression."""
        pattern = re.compile(name)
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environ = (folder / "environ").read_bytes().decode(errors="replace")
                if pattern.search(command) and f"BODH_HOME={self.home}" in environ:
                    found.append(int(folder.name))
        return found

    def supervisor(self) -> Any:
        socket_path = self.settings.run_dir / "supervisor.sock"
        transport = SupervisorTransport(None, None, f"unix://{socket_path}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def wait_for_line(self, text: str, timeout_s: float) -> None:
        """Waits for a line that starts with `text`. Raises TimeoutError with the last lines."""
        deadline = time.monotonic() + timeout_s
        while not any(line.startswith(text) for line in self.lines):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"no {text!r}; last lines:\n" + "\n".join(self.lines[-60:]))
            time.sleep(0.05)

    def _read_output(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))


@contextlib.contextmanager
def running_stack(**settings: str) -> Iterator[Stack]:
    """Starts everything, yields when it is ready, then stops it.

    Raises AssertionError if it does not stop within STOP_S or leaves a process behind, unless the
    test has already failed.
    """
    with tempfile.TemporaryDirectory(prefix="bodh-stack-") as folder:
        Path(folder).chmod(0o711)
        port, livekit_port = free_port(), free_port(span=3)
        environment = {
            **os.environ,
            "PORT": str(port),
            "LIVEKIT_PORT": str(livekit_port),
            "BODH_HOME": str(Path(folder) / "home"),
            "WHISPER_MODEL": "test",
            "VOICE_MODEL": "espeak",
            "RATE_TOKEN_PER_MINUTE": "1000",
            "ESPEAK_RATE": str(TUTOR_WPM),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        process = subprocess.Popen(
            UP_COMMAND,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        home = Path(environment["BODH_HOME"])
        stack = Stack(f"http://127.0.0.1:{port}", home, environment, process)
        reader = threading.Thread(target=stack._read_output, daemon=True)
        reader.start()
        try:
            stack.wait_for_line("ready: http", START_S)
            yield stack
        finally:
            ended = stop_process(process, STOP_S)
            reader.join(5)
            if process.stdout is not None:
                process.stdout.close()
            write_log(stack)
        assert ended, f"the stack did not end within {STOP_S:.0f} s: build/{LOG_NAME}"
        assert list_marked_processes(Settings(_env_file=None, bodh_home=home)) == []


def stop_process(process: "subprocess.Popen[Any]", limit_s: float) -> bool:
    """Stops the process by SIGTERM. Returns False if it had to be killed after `limit_s`."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def write_log(stack: Stack) -> None:
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    (folder / LOG_NAME).write_text("\n".join(stack.lines) + "\n")


def free_port(span: int = 2) -> int:
    """The first of `span` consecutive free ports, TCP and UDP; a different one at each call.

    Behind the port of a token server is that of its metrics.
    """
    while True:
        ports = [next(_ports) for _ in range(span)]
        if BLOCKED_BY_BROWSERS.isdisjoint(ports) and _are_free_neighbours(ports):
            return ports[0]


def _are_free_neighbours(ports: list[int]) -> bool:
    return ports[-1] - ports[0] == len(ports) - 1 and all(map(_is_free_port, ports))


def _is_free_port(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
