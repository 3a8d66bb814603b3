"""The processes of one BODH_HOME: supervisor, what it runs, and stopping them."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from dotenv import dotenv_values
from supervisor.states import ProcessStates
from supervisor.xmlrpc import SupervisorTransport

from settings import Settings
from settings.needs import PROCESSES, ROLE_URLS, Process, unneeded_secrets

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "processes.conf"
LIVEKIT = ROOT / ".tools" / "bin" / "livekit-server"
MARK = "BODH_RUN"  # environment variable of every process of a `make up`: its BODH_HOME
STOP_S = 13.0  # from the signal to the end of the last process
ENDED = (
    ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.UNKNOWN,
)  # fmt: skip


class ProcessError(Exception):
    pass


class Processes:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = settings.run_dir / "supervisor.sock"

    def start_supervisor(self) -> None:
        (self._settings.bodh_home / "log").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(CONFIG)]
        supervisor = subprocess.Popen(
            command,
            cwd=ROOT,
            env=build_supervisor_environment(self._settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not wait_until(
            lambda: self.supervisor_responds() or supervisor.poll() is not None, 10.0
        ):
            raise ProcessError("The process manager does not respond.")
        if supervisor.poll() is not None:
            raise ProcessError(f"The process manager did not start. Try `{shlex.join(command)}`.")

    def supervisor_responds(self) -> bool:
        try:
            self._supervisor_rpc.getState()
        except (OSError, Fault):
            return False
        return True

    def start_process(self, name: str) -> None:
        self._supervisor_rpc.startProcess(name, False)

    def raise_if_failing(self, name: str, *, since_s: float) -> None:
        """Raises ProcessError if a process keeps failing. `since_s`: seconds since its start."""
        state = self._ask_process_state(name)
        if state == ProcessStates.FATAL or (state == ProcessStates.BACKOFF and since_s > 5):
            log = self._settings.bodh_home / "log" / f"{name}.log"
            raise ProcessError(f"{name} does not start. See the end of {log}.")

    def stop_everything(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stops everything within STOP_S, the worker first so the tutor can say goodbye.

        The watcher stops with it, or it would replace the agents. `hurry` is polled; once it is
        true, the remaining processes are killed.
        """
        deadline = time.monotonic() + STOP_S

        def late() -> bool:
            return hurry() or time.monotonic() > deadline

        with contextlib.suppress(OSError, Fault):
            self._stop_in_order(late)
        wait_until(lambda: late() or not list_marked_processes(self._settings), STOP_S)
        kill_marked_processes(self._settings)

    def _stop_in_order(self, late: Callable[[], bool]) -> None:
        self._stop_processes(["watch", "agent", "web"], late)
        self._stop_processes(["drain", "jobs", "speech", "voice", "livekit"], late)
        self._stop_processes(["postgres"], late)
        self._supervisor_rpc.shutdown()

    def _stop_processes(self, names: Iterable[str], late: Callable[[], bool]) -> None:
        """Stops processes and waits for them. Supervisor kills those that do not stop."""
        for name in names:
            if self._ask_process_state(name) in ENDED:
                continue
            self._supervisor_rpc.stopProcess(name, False)
            if name == "livekit":  # at the first signal, it keeps serving rooms with people in them
                with contextlib.suppress(Fault):  # may have ended already
                    self._supervisor_rpc.signalProcess(name, "TERM")
        wait_until(
            lambda: late() or all(self._ask_process_state(name) in ENDED for name in names), STOP_S
        )

    def _ask_process_state(self, name: str) -> int:
        state: int = self._supervisor_rpc.getProcessInfo(name)["state"]
        return state

    @property
    def _supervisor_rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor


def build_supervisor_environment(settings: Settings) -> dict[str, str]:
    """What `processes.conf` refers to, and what the processes inherit.

    `.env` is read here: a process that read it would see the secrets of the others.
    """
    ours = {
        **{name: value for name, value in dotenv_values(".env").items() if value is not None},
        **os.environ,
        **{f"BODH_FOR_{name.upper()}": _without_secrets(name) for name in PROCESSES},
        # tells the token server, which gets no key of a model, that OPENAI_API_KEY is set
        "LLM_BASE_URL": settings.llm_base_url,
        "LLM_MODEL": settings.llm_model,
        MARK: str(settings.bodh_home),
        "BODH_HOME": str(settings.bodh_home),
        "BODH_RUN_DIR": str(settings.run_dir),
        "BODH_PYTHON": sys.executable,
        "BODH_LIVEKIT": str(LIVEKIT),
        "PYTHONUNBUFFERED": "1",
    }
    if settings.bodh_env == "development" and "DRAIN_TIMEOUT" not in os.environ:
        ours["DRAIN_TIMEOUT"] = "8"
    if settings.database_url:
        for name in ROLE_URLS:
            ours[name] = ours.get(name) or settings.database_url
    return ours


def _without_secrets(process: Process) -> str:
    """The words before a command that hide the secrets of other processes from it."""
    return shlex.join(
        ["env", *(word for name in unneeded_secrets(process) for word in ("-u", name))]
    )


def list_marked_processes(settings: Settings) -> list[psutil.Process]:
    """All running processes of this BODH_HOME, whatever their parent, except this one."""
    return [process for process in psutil.process_iter() if _is_ours(process, settings)]


def _is_ours(process: psutil.Process, settings: Settings) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        mark: str | None = process.environ().get(MARK)
    except (psutil.Error, OSError):
        return False
    return mark == str(settings.bodh_home)


def kill_marked_processes(settings: Settings) -> int:
    found = list_marked_processes(settings)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=2)
    return len(found)


def find_pid_of_running_up(settings: Settings) -> int | None:
    try:
        pid = int(up_pid_file(settings).read_text())
        alive = psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        ours = "scripts.up" in psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if alive and ours and pid != os.getpid() else None


def up_pid_file(settings: Settings) -> Path:
    return settings.run_dir / "up.pid"


def stop_leftovers(settings: Settings) -> int:
    left = len(list_marked_processes(settings))
    if left:
        Processes(settings).stop_everything()
    return left


def stop_all(settings: Settings) -> int:
    count = len(list_marked_processes(settings))
    pid = find_pid_of_running_up(settings)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: find_pid_of_running_up(settings) is None, STOP_S + 3)
        count += 1
    stop_leftovers(settings)
    return count


def wait_until(condition: Callable[[], bool], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_port_taken(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
