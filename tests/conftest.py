"""Fixtures for all tests: a temporary folder, a Postgres and a running Bodh for each process."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from playwright.async_api import Browser, Playwright, async_playwright

from courses.course import Course
from courses.folder import read_course
from courses.tree import build_tree
from db import Connection, Pool, create_pool, embedded, set_tenant, tenant_tx
from db.courses import list_courses
from db.importing import import_course
from db.migrate import migrate
from harness import run_folder
from harness.browser import launch_browser
from harness.disk import may_mount, mounted_small_disk
from harness.second import RUNS_TWO_OF_EACH, second_of_each
from harness.stack import WORKER, Stack, running_stack
from settings import Settings, fill_in_and_create_secrets
from tests.replay import replay
from tests.soak import SOAK

ROOT = Path(__file__).parent.parent
TEMPLATE = "bodh_template"
SAMPLE = "bodh_sample"
SHARED = "bodh_shared"  # for tests that roll back
FAST = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"),
    *("min_wal_size=32MB", "max_wal_size=64MB", "dynamic_shared_memory_type=mmap"),
)
SPOOL_MB = 64
SHORT = ("db", "unit", "web")  # folders of short files, which fill the end of a run


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Puts all temporary files into this run's folder, which its guard removes."""
    config.option.basetemp = run_folder.use_own_temporary_folder(run_folder.begin_run()) / "t"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips tests marked `soak`, except in `make soak` and `pytest -m soak`."""
    if WORKER:
        _spread(items)
    if SOAK or config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


def _spread(items: list[pytest.Item]) -> None:
    """Spreads the files of each folder over the run, so that busy tests run beside waiting ones."""
    folders: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        folders.setdefault(path.parent, []).append(path)
    starts = {
        path: (number + 0.5) / len(paths) * (1.0 if folder.name in SHORT else 0.85)
        for folder, paths in folders.items()
        for number, path in enumerate(paths)
    }
    items.sort(key=lambda item: (starts[item.path], item.path))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running Bodh, shared by all tests of this process that don't need special settings.

    Its spool is on a small disk if this process may mount one. With BODH_TWO=1 it has two workers
    and two token servers.
    """
    with ExitStack() as parts:
        home = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="bodh-"))) / "home"
        home.mkdir()
        if may_mount():
            parts.enter_context(mounted_small_disk(home / "spool", SPOOL_MB))
        stack = parts.enter_context(running_stack(BODH_HOME=str(home)))
        if RUNS_TWO_OF_EACH:
            parts.enter_context(second_of_each(stack))
        yield stack
        replay(stack.superuser_dsn, "rooms")


@pytest.fixture(scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    """One browser for all tests of this process; each test closes its contexts."""
    browser = await launch_browser(playwright)
    yield browser
    await browser.close()


@dataclass(frozen=True)
class Postgres:
    cluster: embedded.Cluster
    tenant_id: UUID

    def dsn(self, role: str = "bodh_app", database: str = SHARED) -> str:
        return self.cluster.dsn(role, database)

    async def clone(self, name: str, template: str) -> None:
        """Copies a database without open connections."""
        await self.admin(
            f"create database {name} template {template} strategy file_copy owner bodh_owner"
        )

    async def drop(self, name: str) -> None:
        """Drops a database and closes its connections."""
        await self.admin(f"drop database {name} with (force)")

    async def admin(self, statement: str) -> None:
        db = await asyncpg.connect(self.dsn("postgres", "postgres"))
        try:
            await db.execute(statement)
        finally:
            await db.close()


@dataclass(frozen=True)
class Database:
    postgres: Postgres
    name: str

    def dsn(self, role: str = "bodh_app") -> str:
        return self.postgres.dsn(role, self.name)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[Postgres]:
    """A server with a migrated template and an empty database for tests that roll back.

    Its files are in memory: on a disk, copying and dropping a database costs ten times the CPU.
    """
    home = run_folder.make_memory_folder()
    cluster = embedded.Cluster(home / "postgres", home / "pg", FAST)
    await embedded.start_server(cluster)
    try:
        await embedded.ensure_database(cluster)
        await migrate(cluster.dsn("bodh_owner"))
        tenant_id = await _default_tenant(cluster)
        server = Postgres(cluster, tenant_id)
        await server.admin(f"alter database bodh rename to {TEMPLATE}")
        await server.clone(SHARED, TEMPLATE)
        await _seed(server)
        yield server
    finally:
        await embedded.stop_server(cluster)
        shutil.rmtree(home)


async def _seed(postgres: Postgres) -> None:
    await postgres.clone(SAMPLE, TEMPLATE)
    pool = await create_pool(postgres.dsn(database=SAMPLE), max_size=1)
    tree = build_tree(read_course(ROOT / "db" / "sample"), postgres.tenant_id)
    async with tenant_tx(pool, postgres.tenant_id) as db:
        await import_course(db, postgres.tenant_id, tree)
    await pool.close()


async def _default_tenant(cluster: embedded.Cluster) -> UUID:
    db = await asyncpg.connect(cluster.dsn("bodh_owner"))
    try:
        tenant_id: UUID = await db.fetchval("select id from tenants where slug = 'default'")
    finally:
        await db.close()
    return tenant_id


@pytest.fixture
def tenant_id(postgres: Postgres) -> UUID:
    """The default tenant, the same in every database."""
    return postgres.tenant_id


@pytest.fixture
async def db(postgres: Postgres) -> AsyncIterator[Connection]:
    """The application's connection, in a transaction of the default tenant that is rolled back."""
    connection = await asyncpg.connect(postgres.dsn("bodh_app"))
    transaction = connection.transaction()
    await transaction.start()
    await set_tenant(connection, postgres.tenant_id)
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture
async def database(request: pytest.FixtureRequest, postgres: Postgres) -> AsyncIterator[Database]:
    """A new database, for tests that need several connections."""
    name = f"t_{secrets.token_hex(6)}"
    await postgres.clone(name, SAMPLE if "sample" in request.fixturenames else TEMPLATE)
    try:
        yield Database(postgres, name)
    finally:
        await postgres.drop(name)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    pool = await create_pool(database.dsn("bodh_app"))
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def sample(pool: Pool, tenant_id: UUID) -> Course:
    async with tenant_tx(pool, tenant_id) as db:
        (course,) = await list_courses(db, tenant_id)
    return course


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a new BODH_HOME, independent of the environment and .env."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("LIVEKIT_WS_URL", "NEXT_PUBLIC_LIVEKIT_WS_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(_env_file=None, bodh_home=tmp_path / "bodh")
    return fill_in_and_create_secrets(settings)
