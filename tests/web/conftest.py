"""Fixtures of the HTTP tests: the real application on a real Postgres and a real livekit-server."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from livekit import api, rtc

from db import Pool, tenant_tx
from db.accounts import Account, find_account
from db.courses import Course, Lesson, Module, list_courses, list_lessons, list_modules
from db.tenants import Tenant, ensure_tenant
from rooms import close_room
from settings import Settings, with_development_secrets
from tests.conftest import SAMPLE, Database, Postgres
from tests.livekit import MediaServer, running_livekit
from tests.stack import free_port
from web.app import create_app
from web.auth import ROLE_WORDS, Claims, make_token

ORIGIN = "http://127.0.0.1:8080"


@dataclass
class Clock:
    """The application's clock, moved by the test."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def pass_(self, **length: float) -> None:
        """Moves on."""
        self.now += timedelta(**length)


@dataclass
class School:
    """The application with the sample course, and ways to ask it and to look behind it."""

    app: FastAPI
    settings: Settings
    client: httpx2.AsyncClient
    pool: Pool
    clock: Clock
    tenant: Tenant
    course: Course
    modules: list[Module]
    lessons: list[list[Lesson]]  # by module, the unpublished one last

    @property
    def lk(self) -> api.LiveKitAPI:
        """The media server's API."""
        client: api.LiveKitAPI = self.app.state.context.lk
        return client

    def page(self, module: int = 0) -> str:
        """The address of a module page's call."""
        return f"/api/v2/course/{self.course.slug}/module/{self.modules[module].id}"

    def room(self, module: int = 0) -> str:
        """The name of a module's room."""
        return f"{self.course.id}-{self.modules[module].id}"

    def auth(self, name: str, role: str = "learner", tenant: str = "default") -> dict[str, str]:
        """The header of somebody signed in."""
        claims = Claims(subject=name, name=name, role=ROLE_WORDS[role], tenant=tenant)
        token = make_token(self.settings, claims, datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, name: str, role: str = "learner", **more: Any) -> Any:
        """A GET by somebody; the JSON, which must be there."""
        answer = await self.client.get(path, headers=self.auth(name, role), **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def open(self, name: str, module: int = 0, lesson: Lesson | None = None) -> Any:
        """Opens a module's page."""
        query = {"lesson": str(lesson.id)} if lesson else {}
        return await self.get(self.page(module), name, params=query)

    async def account(self, name: str, role: str = "learner") -> Account:
        """The account behind a name."""
        me = await self.get("/api/me", name, role)
        async with tenant_tx(self.pool, self.tenant.id) as db:
            account = await find_account(db, self.tenant.id, me["id"])
        assert account is not None
        return account

    async def live_room(self, module: int = 0) -> api.Room:
        """The media server's room of a module, which must be there."""
        name = self.room(module)
        rooms = (await self.lk.room.list_rooms(api.ListRoomsRequest(names=[name]))).rooms
        assert len(rooms) == 1
        return rooms[0]

    async def dispatches(self, module: int = 0) -> list[str]:
        """The metadata of the dispatches of our agent to a module's room."""
        listed = await self.lk.agent_dispatch.list_dispatch(self.room(module))
        return [d.metadata for d in listed if d.agent_name == self.settings.agent_name]

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """Rows of the tenant."""
        async with tenant_tx(self.pool, self.tenant.id) as db:
            return list(await db.fetch(query, *values))

    async def join(self, page: Any) -> rtc.Room:
        """Joins the room of an opened page; the test leaves it again."""
        room = rtc.Room()
        await room.connect(page["wsUrl"], page["liveKitToken"])
        return room


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    """One livekit-server for all tests; each room in it is named after a course of its own."""
    home = tmp_path_factory.mktemp("media")
    settings = with_development_secrets(Settings(_env_file=None, bodh_home=home))
    settings.port = free_port()  # nobody takes its webhooks
    with running_livekit(settings) as server:
        yield server


@pytest.fixture
async def school(
    settings: Settings, database: Database, sample: Course, media: MediaServer
) -> AsyncIterator[School]:
    """The application with the sample course, in a database of this test's own."""
    media.configure(settings)
    async with open_school(settings, database) as school:
        yield school
        for module in range(len(school.modules)):
            await close_room(school.lk, school.room(module))  # the next test uses the name


@pytest.fixture(scope="session")
async def library(
    postgres: Postgres, media: MediaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[School]:
    """The same for tests that only read or are refused: one for all of them, and no rooms."""
    settings = Settings(_env_file=None, bodh_home=tmp_path_factory.mktemp("library"))
    settings = with_development_secrets(settings)
    media.configure(settings)
    await postgres.clone("library", SAMPLE)
    async with open_school(settings, Database(postgres, "library")) as school:
        yield school
    await postgres.drop("library")


@asynccontextmanager
async def open_school(
    settings: Settings, database: Database, role: str = "bodh_app"
) -> AsyncIterator[School]:
    """The application on a database that holds the sample course."""
    settings.database_url = database.dsn(role)
    clock = Clock()
    app = create_app(settings, clock=clock)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        pool = app.state.context.pool
        async with pool.acquire() as db:
            tenant = await ensure_tenant(db, "default", "Bodh")
        async with tenant_tx(pool, tenant.id) as db:
            (course,) = await list_courses(db, tenant.id)
            modules = await list_modules(db, tenant.id, course.id)
            lessons = [await list_lessons(db, tenant.id, m.id, unpublished=True) for m in modules]
        yield School(app, settings, client, pool, clock, tenant, course, modules, lessons)
