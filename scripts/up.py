"""`make up`: runs Bodh in the foreground until Ctrl-C or SIGTERM.

python -m scripts.up
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import asyncpg

from db.embedded import cluster_of, server_answers
from scripts.console import LogPrinter, print_to_console
from scripts.livekit import MEDIA_OFFSET, write_livekit_config
from scripts.processes import (
    LIVEKIT,
    ROOT,
    ProcessError,
    Processes,
    build_supervisor_environment,
    find_pid_of_running_up,
    is_port_taken,
    stop_leftovers,
    up_pid_file,
    wait_until,
)
from settings import Settings, SettingsError, prepare_settings
from speech.addresses import accepts_connections, is_on_this_machine
from speech.voice.models import ESPEAK, WHAT_TO_SET, NoVoice, find_voice

NAMES = ("postgres", "livekit", "speech", "voice", "web", "drain", "watch", "jobs", "agent")
PATIENCE_S = 120.0  # for one process to respond; a cold disk or a busy machine is slow


class StopRequested(Exception):
    pass


class StopSignals:
    """Counts the signals to stop. The second one means kill."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def raise_if_stopped(self) -> None:
        if self.count:
            raise StopRequested

    def must_hurry(self) -> bool:
        return self.count > 1


def main() -> int:
    stop = StopSignals()
    try:
        settings = prepare_settings()
        claim_home_and_stop_leftovers(settings)
    except (SettingsError, ProcessError) as error:
        print_to_console(str(error))
        return 1
    processes = Processes(settings)
    console = None
    status = 0
    try:
        processes.start_supervisor()
        console = LogPrinter(settings.bodh_home / "log", ("supervisor", "database", *NAMES))
        start_processes(settings, processes, stop)
        print_to_console(f"ready: {settings.public_url}")
        watch_supervisor(processes, stop)
    except StopRequested:
        print_to_console("stopping (press Ctrl-C again to kill)")
    except ProcessError as error:
        print_to_console(str(error))
        status = 1
    finally:
        processes.stop_everything(stop.must_hurry)
        if console:
            console.close()
        up_pid_file(settings).unlink(missing_ok=True)
    return status


def claim_home_and_stop_leftovers(settings: Settings) -> None:
    """Claims the BODH_HOME and stops leftovers of a killed run. Raises ProcessError."""
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    if settings.run_dir.stat().st_uid != os.getuid():
        raise ProcessError(f"{settings.run_dir} belongs to another user. Set another BODH_HOME.")
    pid = find_pid_of_running_up(settings)
    if pid is not None:
        raise ProcessError(f"Bodh is already running (process {pid}). `make down` stops it.")
    left = stop_leftovers(settings)
    if left:
        print_to_console(f"stopped {left} processes left by an earlier run")
    up_pid_file(settings).write_text(str(os.getpid()))
    check_ports(settings)
    if settings.embedded_livekit and not LIVEKIT.exists():
        raise ProcessError("livekit-server is not installed. Run `make up`, or set LIVEKIT_URL.")


def check_ports(settings: Settings) -> None:
    wanted = [
        ("PORT", settings.port, socket.SOCK_STREAM),
        ("METRICS_PORT", settings.metrics_address_port, socket.SOCK_STREAM),
    ]
    if settings.embedded_livekit:
        media = settings.livekit_port + MEDIA_OFFSET
        wanted += [("LIVEKIT_PORT", settings.livekit_port, socket.SOCK_STREAM)]
        wanted += [("LIVEKIT_PORT + 2, UDP", media, socket.SOCK_DGRAM)]
    for name, port, kind in wanted:
        if is_port_taken("127.0.0.1", port, kind):
            raise ProcessError(
                f"Port {port} ({name}) is in use. Stop the program that uses it, or choose another "
                f"port: `{name.split()[0]}={port_setting(settings, name) + 100} make up`"
            )


def port_setting(settings: Settings, name: str) -> int:
    ports = {"PORT": settings.port, "METRICS_PORT": settings.metrics_address_port}
    return ports.get(name, settings.livekit_port)


def start_processes(settings: Settings, processes: Processes, stop: StopSignals) -> None:
    """Starts each process once those it needs respond. Raises ProcessError, StopRequested."""
    if settings.embedded_livekit:
        write_livekit_config(settings, settings.run_dir / "livekit.json")
        processes.start_process("livekit")
    if is_on_this_machine(settings.speech_engine_address):
        processes.start_process("speech")
    has_voice = find_voice_or_say_what_speaks(settings)
    if has_voice:
        processes.start_process("voice")
    agent_log = settings.bodh_home / "log" / "agent.log"
    seen = agent_log.stat().st_size if agent_log.exists() else 0
    processes.start_process("agent")  # it starts slowest, and needs no database until a room opens
    if settings.embedded_postgres:
        processes.start_process("postgres")
        cluster = cluster_of(settings)
        wait_for_process("postgres", lambda: asyncio.run(server_answers(cluster)), processes, stop)
    elif not database_answers(settings):
        raise ProcessError("No database responds at DATABASE_URL. Start it or correct the URL.")
    migrate_and_seed_database(settings, stop)
    for name in ("web", "drain", "watch", "jobs"):
        processes.start_process(name)
    if settings.embedded_livekit:
        livekit = f"http://127.0.0.1:{settings.livekit_port}/"
        wait_for_process("livekit", lambda: http_answers(livekit), processes, stop)
    wait_for_process(
        "speech", lambda: accepts_connections(settings.speech_engine_address), processes, stop
    )
    if has_voice:
        wait_for_process(
            "voice", lambda: accepts_connections(settings.voice_address), processes, stop
        )
    ready = f"http://127.0.0.1:{settings.port}/readyz"
    wait_for_process("web", lambda: http_answers(ready), processes, stop)
    wait_for_process("agent", lambda: log_says_worker_registered(agent_log, seen), processes, stop)


def find_voice_or_say_what_speaks(settings: Settings) -> bool:
    """Whether there is a Piper voice. Raises ProcessError if VOICE_MODEL names none."""
    try:
        found = find_voice(settings.voice_model, settings.bodh_home)
    except NoVoice as error:
        raise ProcessError(str(error)) from error
    if found is None and settings.voice_model != ESPEAK:
        print_to_console(
            f"The voice {settings.voice_model} is not on this machine, so eSpeak NG speaks. "
            f"{WHAT_TO_SET}"
        )
    return found is not None


def wait_for_process(
    name: str, answers: Callable[[], bool], processes: Processes, stop: StopSignals
) -> None:
    began = reported = time.monotonic()
    while not answers():
        stop.raise_if_stopped()
        now = time.monotonic()
        processes.raise_if_failing(name, since_s=now - began)
        if now - began > PATIENCE_S:
            raise ProcessError(
                f"{name} did not respond within {PATIENCE_S:.0f} s. See its log lines above."
            )
        if now - reported > 10:
            print_to_console(f"waiting for {name}, {now - began:.0f} s")
            reported = now
        time.sleep(0.1)
    stop.raise_if_stopped()


def migrate_and_seed_database(settings: Settings, stop: StopSignals) -> None:
    log = settings.bodh_home / "log" / "database.log"
    for command in ("migrate", "seed"):
        stop.raise_if_stopped()
        with log.open("ab") as sink:
            done = subprocess.run(
                [sys.executable, "-m", "db", command],
                cwd=ROOT, env=build_supervisor_environment(settings), start_new_session=True,
                check=False,
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if done.returncode:
            raise ProcessError(f"`python -m db {command}` failed. See the end of {log}.")


def database_answers(settings: Settings) -> bool:
    async def connect() -> None:
        db = await asyncpg.connect(settings.owner_dsn, timeout=5)
        await db.close()

    try:
        asyncio.run(connect())
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError):
        return False
    return True


def http_answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 http on loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def log_says_worker_registered(log: Path, offset: int) -> bool:
    try:
        with log.open("rb") as file:
            file.seek(offset)
            return b"registered worker" in file.read()
    except FileNotFoundError:
        return False


def watch_supervisor(processes: Processes, stop: StopSignals) -> None:
    """Never returns. Raises StopRequested on a signal, ProcessError if supervisor dies."""
    while True:
        stop.raise_if_stopped()
        if not processes.supervisor_responds() and not wait_until(
            processes.supervisor_responds, 3.0
        ):
            raise ProcessError("The process manager died. Stopping everything else.")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
