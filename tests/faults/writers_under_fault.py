"""Sixteen writers, a spool, a drainer and a Postgres, to break one of them under load."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from agent.durable.spool import Spool
from db import Connection, Pool, create_pool, embedded, tenant_tx
from db.courses import list_courses
from db.event_chain import first_broken_seq
from db.events import find_event_head, list_events
from db.migrate import migrate
from db.rooms import ensure_room
from db.sessions import insert_session
from db.tenants import ensure_tenant
from db.transcripts import Segment, list_segments
from harness.processes import frozen
from tests.conftest import ROOT
from tests.db.rows import NOW, import_folder, make_learner, modules_of, segment

WRITERS = 16
PER_SECOND = 4.0  # segments of each writer, ten times the pace of speech
DRAINED_S = 30.0  # pass criterion: the backlog is stored this soon after Postgres returns
START_S = 20.0
REPORTS = ROOT / "build" / "faults"

_segments = TypeAdapter(Segment)
Fault = Callable[["OwnPostgres"], Awaitable[None]]


@dataclass(frozen=True)
class OwnPostgres:
    """Its own migrated Postgres with a course."""

    cluster: embedded.Cluster
    home: Path
    tenant_id: UUID


@dataclass(frozen=True)
class WriterSession:
    """A writer's session, speaker and orders."""

    session_id: UUID
    account_id: UUID
    orders: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """The effect of one fault."""

    fault: str
    writers: int
    acknowledged: int
    refused: int
    stored: int
    lost: int
    doubled: int
    sessions_out_of_order: int
    dead_letters: int
    backlog: int
    drain_s: float
    drainer_stop_s: float
    put_p99_ms: float
    put_worst_ms: float
    loop_lag_p99_ms: float

    def faultless(self) -> bool:
        """Nothing is lost, stored twice, out of order or set aside, and all is drained in time."""
        wrong = (self.lost, self.doubled, self.sessions_out_of_order, self.dead_letters)
        return wrong == (0, 0, 0, 0) and self.drain_s <= DRAINED_S


@asynccontextmanager
async def own_postgres(data: Path | None = None) -> AsyncIterator[OwnPostgres]:
    """Starts a durable server, as `make up` does; `data` is the folder of its files."""
    home = make_home()
    cluster = embedded.Cluster((data or home) / "postgres", home / "pg", ("max_connections=60",))
    await embedded.start_server(cluster)
    try:
        await embedded.ensure_database(cluster)
        await migrate(cluster.dsn("bodh_owner"))
        pool = await create_pool(cluster.dsn("bodh_app"), max_size=1)
        async with pool.acquire() as db:
            tenant = await ensure_tenant(db, "default", "Bodh")
        async with tenant_tx(pool, tenant.id) as db:
            await import_folder(db, tenant.id)
        await pool.close()
        yield OwnPostgres(cluster, home, tenant.id)
    finally:
        await embedded.stop_server(cluster)
        shutil.rmtree(home)


def make_home() -> Path:
    """A temporary folder that Postgres may enter where we are root."""
    home = Path(tempfile.mkdtemp(prefix="bodh-fault-"))
    home.chmod(0o711)
    return home


async def crash(server: OwnPostgres) -> None:
    """Stops as `pg_ctl stop -m immediate` does: no checkpoint, recovery at the next start."""
    pid = embedded.find_postmaster(server.cluster)
    assert pid is not None
    os.kill(pid, signal.SIGQUIT)
    await until(lambda: embedded.find_postmaster(server.cluster) is None)


async def connect_superuser(server: OwnPostgres) -> Connection:
    """A superuser's connection; the caller closes it."""
    return await asyncpg.connect(server.cluster.dsn(embedded.SUPERUSER))


def frozen_postgres(server: OwnPostgres) -> AbstractContextManager[None]:
    """Freezes the postmaster and its children."""
    postmaster = embedded.find_postmaster(server.cluster)
    assert postmaster is not None
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    return frozen(postmaster, *map(int, children.split()))


async def run_under_fault(
    server: OwnPostgres,
    name: str,
    fault: Fault,
    *,
    words: str = "words",
    spool: Path | None = None,
) -> Report:
    """Breaks something while writers write, then drains the rest; keeps a report in build/faults.

    `fault` returns when what it broke works again.
    """
    home = server.home / secrets.token_hex(4)
    path = spool or home / "spool" / "spool.sqlite3"
    await Spool(path).close()
    pool = await create_pool(server.cluster.dsn("bodh_app"))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        sessions = [await open_session(pool, server.tenant_id, path, words) for _ in range(WRITERS)]
        drainer = await start_drainer(server, path, home)
        stack.push_async_callback(end, drainer)
        writers = await asyncio.gather(*(start_writer(session) for session in sessions))
        for writer in writers:
            stack.push_async_callback(end, writer)
        await until(lambda: drained(path) > 2 * WRITERS)
        await fault(server)
        backlog, drain_s = await measure_drain(path)
        outputs = await asyncio.gather(*(writer.communicate(b"") for writer in writers))
        ledgers = [json.loads(output) for output, _ in outputs]
        await until(lambda: waiting(path)[0] == 0)
        stop_s = await stop(drainer)
        kept = [await list_stored_ids(pool, server.tenant_id, session) for session in sessions]
        dead_letters = await count_dead_letters(server)
    report = make_report(
        name, ledgers, kept, dead_letters, backlog=backlog, times=(drain_s, stop_s)
    )
    log = (home / "drain.log").read_text()
    assert "Traceback" not in log, log[-3000:]
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"{name}.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    return report


async def open_session(pool: Pool, tenant_id: UUID, spool: Path, words: str) -> WriterSession:
    """A new session with one speaker, and the orders of its writer."""
    async with tenant_tx(pool, tenant_id) as db:
        (course,) = await list_courses(db, tenant_id)
        (module, _) = await modules_of(db, tenant_id, course.id)
        room = await ensure_room(
            db, tenant_id, name=secrets.token_hex(8), course_id=course.id, module_id=module.id
        )
        session = await insert_session(db, tenant_id, room.id, secrets.token_hex(8), NOW)
        account = await make_learner(db, tenant_id, secrets.token_hex(4))
    said = _segments.dump_python(segment(session.id, "1", 0, account), mode="json")
    orders = {
        "spool": str(spool),
        "tenant_id": str(tenant_id),
        "session_id": str(session.id),
        "per_second": PER_SECOND,
        "words": words,
        "segment": said,
    }
    return WriterSession(session.id, account.id, orders)


async def start_writer(session: WriterSession) -> asyncio.subprocess.Process:
    """Starts a writer and waits until it has opened the spool."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.writer", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(json.dumps(session.orders).encode() + b"\n")
    async with asyncio.timeout(START_S):
        assert await writer.stdout.readline() == b"ready\n"
    return writer


async def start_drainer(server: OwnPostgres, spool: Path, home: Path) -> asyncio.subprocess.Process:
    """Starts the real drainer, in a BODH_HOME with this spool."""
    make_bodh_home(home, spool)
    environment = {
        **os.environ,
        "BODH_HOME": str(home),
        "DATABASE_URL": server.cluster.dsn("bodh_app"),
        "DATABASE_DRAIN_URL": server.cluster.dsn("bodh_drain"),
    }
    with (home / "drain.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "drain",
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip


def make_bodh_home(home: Path, spool: Path) -> None:
    """Makes a BODH_HOME; links the spool into it if the spool is elsewhere."""
    home.mkdir(exist_ok=True)
    if not spool.is_relative_to(home):
        (home / "spool").symlink_to(spool.parent)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kills a process that a failed test left running."""
    if process.returncode is None:
        process.kill()
        await process.communicate()


async def stop(drainer: asyncio.subprocess.Process) -> float:
    """Ends the drainer as supervisor does. Returns the seconds it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    drainer.send_signal(signal.SIGTERM)
    async with asyncio.timeout(START_S):
        assert await drainer.wait() == 0
    return clock() - began


async def until(look: Callable[[], bool], within_s: float = START_S + DRAINED_S) -> None:
    """Waits until `look` is true. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            if await asyncio.to_thread(look):
                return
            await asyncio.sleep(0.05)


def first_row(path: Path, query: str) -> Any:
    """The first row of a query on the spool's file, as another process sees it."""
    db = sqlite3.connect(path, timeout=10)
    try:
        return db.execute(query).fetchone()
    finally:
        db.close()


def waiting(path: Path) -> tuple[int, int]:
    """How many entries are not in Postgres yet, and the number of the newest one."""
    count, newest = first_row(
        path, "select count(*), coalesce(max(seq), 0) from entries where drained_at is null"
    )
    return count, newest


def drained(path: Path) -> int:
    """How many entries are in Postgres."""
    (count,) = first_row(path, "select count(*) from entries where drained_at is not null")
    return int(count)


async def measure_drain(path: Path) -> tuple[int, float]:
    """How many entries wait now, and the seconds until all of these are in Postgres."""
    clock = asyncio.get_running_loop().time
    began = clock()
    count, newest = waiting(path)
    query = f"select count(*) from entries where drained_at is null and seq <= {newest}"  # noqa: S608
    await until(lambda: first_row(path, query) == (0,))
    return count, round(clock() - began, 3)


async def list_stored_ids(pool: Pool, tenant_id: UUID, session: WriterSession) -> list[str]:
    """Ids of the session's stored segments, in order; also checks its event log."""
    async with tenant_tx(pool, tenant_id) as db:
        await check_log(db, tenant_id, session.session_id)
        rows = await list_segments(db, tenant_id, session.session_id)
    assert [row.local_seq for row in rows] == [int(row.id.split("-")[1]) for row in rows]
    return [row.id for row in rows]


async def check_log(db: Connection, tenant_id: UUID, session_id: UUID) -> None:
    """Asserts that the speaker's joining and leaving are logged once each."""
    events = await list_events(db, tenant_id, session_id)
    assert first_broken_seq(events, await find_event_head(db, tenant_id, session_id)) is None
    kinds = [event.type for event in events]
    assert kinds == ["session.started", "participant.joined", "participant.left"], kinds


async def count_dead_letters(server: OwnPostgres) -> int:
    """Dead letters of all tenants; only the superuser may read them."""
    pool = await create_pool(server.cluster.dsn(embedded.SUPERUSER), max_size=1)
    count: int = await pool.fetchval("select count(*) from dead_letters")
    await pool.close()
    return count


def make_report(
    name: str,
    ledgers: list[dict[str, Any]],
    kept: list[list[str]],
    dead_letters: int,
    *,
    backlog: int,
    times: tuple[float, float],
) -> Report:
    """Compares the acknowledged segments with the stored ones."""
    pairs = [(ledger["stored"], rows) for ledger, rows in zip(ledgers, kept, strict=True)]
    put_ms = sorted(ms for ledger in ledgers for ms in ledger["put_ms"])
    lag_ms = sorted(ms for ledger in ledgers for ms in ledger["lag_ms"])
    return Report(
        fault=name,
        writers=len(ledgers),
        acknowledged=sum(len(said) for said, _ in pairs),
        refused=sum(len(ledger["refused"]) for ledger in ledgers),
        stored=sum(len(rows) for _, rows in pairs),
        lost=sum(len(set(said) - set(rows)) for said, rows in pairs),
        doubled=sum(len(rows) - len(set(rows)) for _, rows in pairs),
        sessions_out_of_order=sum(said != rows for said, rows in pairs),
        dead_letters=dead_letters,
        backlog=backlog,
        drain_s=times[0],
        drainer_stop_s=round(times[1], 3),
        put_p99_ms=round(put_ms[len(put_ms) * 99 // 100], 1),
        put_worst_ms=round(put_ms[-1], 1),
        loop_lag_p99_ms=round(lag_ms[len(lag_ms) * 99 // 100], 1),
    )
