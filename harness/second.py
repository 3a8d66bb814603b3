"""A second worker and a second token server for a running Bodh."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.processes import alive
from harness.stack import ROOT, Stack, free_port, stop_process
from scripts.processes import build_supervisor_environment
from scripts.up import http_answers, log_says_worker_registered

# whether the shared Bodh has two workers and two token servers (docs/reliability.md)
RUNS_TWO_OF_EACH = os.environ.get("BODH_TWO") == "1"
START_S = 60.0
STOP_S = 20.0


@dataclass(frozen=True)
class SecondProcess:
    pid: int
    url: str


@contextlib.contextmanager
def second_worker(stack: Stack) -> Iterator[SecondProcess]:
    log = stack.home / "log" / "second-agent.log"
    with _running_process(stack, log, "-m", "agent", "start") as process:
        _wait_until_ready(process, lambda: log_says_worker_registered(log, 0), log)
        yield SecondProcess(process.pid, "")


@contextlib.contextmanager
def second_token_server(stack: Stack) -> Iterator[SecondProcess]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = stack.home / "log" / "second-web.log"
    with _running_process(stack, log, "token_server.py", PORT=str(port)) as process:
        _wait_until_ready(process, lambda: http_answers(f"{url}/readyz"), log)
        yield SecondProcess(process.pid, url)


@contextlib.contextmanager
def _running_process(
    stack: Stack, log: Path, *arguments: str, **changes: str
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **build_supervisor_environment(stack.settings),
                **stack.environment,
                "DRAIN_TIMEOUT": "3",
                **changes,
            },
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        stop_process(process, STOP_S)


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", answers: Callable[[], bool], log: Path
) -> None:
    deadline = time.monotonic() + START_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the process did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


@contextlib.contextmanager
def second_of_each(stack: Stack) -> Iterator[None]:
    with second_token_server(stack) as server, _kept_worker(stack):
        stack.urls.append(server.url)
        yield


@contextlib.contextmanager
def _kept_worker(stack: Stack) -> Iterator[None]:
    """Runs a second worker and restarts it when it dies, as supervisor does with the first."""
    ready, ended = threading.Event(), threading.Event()

    def restart_when_dead() -> None:
        while not ended.is_set():
            with second_worker(stack) as second:
                ready.set()
                while alive(second.pid) and not ended.wait(0.2):
                    pass

    keeper = threading.Thread(target=restart_when_dead)
    keeper.start()
    try:
        assert ready.wait(START_S)
        yield
    finally:
        ended.set()
        keeper.join()
