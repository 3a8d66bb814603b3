"""Every operation of the OpenAPI document across two tenants: nothing of the other leaks."""

import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import pytest

from courses.course import Course
from db import Connection
from harness.livekit import MediaServer
from settings import Settings
from tests.conftest import Database
from tests.db.test_tenants import fill
from tests.db.twins import dump, make_twin, tables_of_tenants
from tests.web.conftest import School, open_school
from web.dependencies import LIMITS

MARK = "CANARYHTTP"
ROLES = ("learner", "teacher", "admin")


@dataclass
class Neighbours:
    """The calling school, and another tenant in the same application."""

    school: School
    superuser: Connection
    ours: dict[str, str]
    theirs: dict[str, str]

    async def rows(self) -> str:
        """Everything the other tenant has, with times and locks."""
        tenant_id = await self.superuser.fetchval("select id from tenants where slug = $1", MARK)
        tables = await tables_of_tenants(self.superuser)
        return (await dump(self.superuser, tables, frozenset()))[tenant_id]


@pytest.fixture(params=["bodh_app", "postgres"])
async def neighbours(
    request: pytest.FixtureRequest,
    settings: Settings,
    database: Database,
    sample: Course,
    media: MediaServer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Neighbours]:
    """Once with row-level security, once with a role that bypasses it."""
    media.configure(settings)
    for limit in LIMITS:
        monkeypatch.setitem(LIMITS, limit, 1_000_000)
    settings.rate_token_per_minute = 1_000_000
    role = request.param
    async with open_school(settings, database, role) as school:
        template = await fill(school.pool, "template")
        superuser = await asyncpg.connect(database.dsn("postgres"))
        await make_twin(superuser, template.tenant_id, MARK, 0)
        name = f"{template.room_name}{MARK}"
        page = await school.open("Amina")
        twin = await superuser.fetchval("select id from tenants where slug = $1", MARK)
        ours = {
            "tenant_id": str(school.tenant.id),
            "name": "picture.png",
            "course_id": str(school.course.id),
            "module_id": str(school.modules[0].id),
            "lesson_id": str(school.lessons[0][0].id),
            "session_id": page["sessionId"],
            "room": page["roomName"],
            "account_id": page["userId"],
            "identity": (await school.account("Amina")).identity,
        }
        ids = ("course_id", "module_id", "lesson_id", "session_id", "account_id")
        theirs = {one: str(getattr(template, one)) for one in ids}
        theirs |= {"room": name, "tenant_id": str(twin), "name": f"{MARK}.png"}
        theirs["identity"] = await superuser.fetchval(
            "select identity from accounts where tenant_id = $1", twin
        )
        yield Neighbours(school, superuser, ours, theirs)
        await superuser.close()


NAMES = {"courseId": "course_id", "moduleId": "module_id", "lessonId": "lesson_id",
         "lesson": "lesson_id", "sessionId": "session_id"}  # fmt: skip


def bodies(ids: dict[str, str]) -> dict[str, Any]:
    """The body that an operation is sent, by path."""
    return {
        "/auth/dev-login": {"name": "Amina"},
        "/api/me/settings": {"theme": "dark"},
        "/api/livekit/token": {"room_name": ids["room"]},
        "/api/rooms/{room}/lesson": {"lessonId": ids["lesson_id"]},
        "/api/lessons/{lesson_id}/progress": {"percentage": 5},
        "/api/sessions/{session_id}/restrictions/{identity}": {"restriction": "removed"},
    }


def requests(neighbours: Neighbours) -> Iterator[tuple[str, str, dict[str, str], Any]]:
    """Method, path, query and body of each operation: with our, their, unknown and mixed ids."""
    nobodys = {name: str(uuid4()) for name in neighbours.ours}
    kinds = (neighbours.ours, neighbours.theirs, nobodys)
    for path, operations in neighbours.school.app.openapi()["paths"].items():
        for method, operation in operations.items():
            parameters = operation.get("parameters", [])
            wanted = [NAMES.get(p["name"], p["name"]) for p in parameters]
            fields = [name for name in wanted if name in neighbours.ours] or ["room"]
            for chosen in product(kinds, repeat=len(fields)):
                ids = {name: kind[name] for name, kind in zip(fields, chosen, strict=True)}
                for sent in kinds if path in bodies(nobodys) else (nobodys,):
                    query = {
                        p["name"]: ids[NAMES[p["name"]]] for p in parameters if p["name"] in NAMES
                    }
                    body = bodies(sent).get(path)
                    yield method, path.format(**{**nobodys, **ids}), query, body
                    if "q" in wanted:
                        yield method, path, query | {"q": "words"}, None


async def test_no_operation_reveals_or_changes_another_tenant(
    neighbours: Neighbours, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="bodh")
    school = neighbours.school
    before = await neighbours.rows()
    answered = set()
    for role in ROLES:
        for method, path, query, body in requests(neighbours):
            answer = await school.client.request(
                method, path, params=query, json=body, headers=school.auth("Amina", role)
            )
            told = unpacked(answer) + str(answer.headers).encode()
            assert MARK.encode() not in told, (role, method, path, query, body)
            assert answer.status_code < 500, (role, method, path, query, body)
            answered.add(answer.status_code)
    assert await neighbours.rows() == before
    assert MARK not in caplog.text
    assert answered >= {200, 201, 404}


def unpacked(answer: httpx.Response) -> bytes:
    """The content, or what the files of an archive contain."""
    if answer.headers.get("content-type") != "application/zip":
        return answer.content
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return b"".join(name.encode() + archive.read(name) for name in archive.namelist())


async def test_the_other_tenant_sees_its_own_words(neighbours: Neighbours) -> None:
    """Otherwise the test above would look for text that no response contains."""
    school, theirs = neighbours.school, neighbours.theirs
    seen = set()
    for path in (
        "/api/courses",
        "/api/courses/{course_id}",
        "/api/lessons/{lesson_id}",
        "/api/lessons/{lesson_id}/captions",
        "/api/sessions/{session_id}/transcript",
        "/api/v2/course/{course_id}/module/{module_id}",
        "/api/accounts/{account_id}/export",
    ):
        header = school.auth("Badr", "admin", tenant=MARK)
        method = "POST" if "/v2/" in path else "GET"
        answer = await school.client.request(method, path.format(**theirs), headers=header)
        if MARK.encode() in unpacked(answer):
            seen.add(path)
    assert len(seen) >= 6, seen
