"""GET changes nothing: a link on another site can make a browser send it, with its cookies."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from fastapi.routing import APIRoute

from tests.conftest import Database
from tests.web.conftest import School

TABLES = """
select quote_ident(tablename) from pg_tables
where schemaname = 'public' and tablename <> 'alembic_version' order by 1"""
COUNTERS = {"request_rates"}  # how often an account searched in a minute
CROSS_SITE = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Referer": "https://elsewhere.example/",
}


def get_routes(routes: list[Any]) -> Iterator[str]:
    """Every path that answers GET, also those that the OpenAPI document leaves out."""
    for route in routes:
        if router := getattr(route, "original_router", None):
            yield from get_routes(router.routes)
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            yield route.path


async def dump_tables(database: Database) -> dict[str, list[str]]:
    db = await asyncpg.connect(database.dsn("postgres"))
    rows = {}
    for table in [row[0] for row in await db.fetch(TABLES)]:
        rows[table] = sorted(
            row[0]
            for row in await db.fetch(f"select t::text from {table} t")  # noqa: S608
        )
    await db.close()
    return rows


@pytest.mark.parametrize("headers", [{}, CROSS_SITE], ids=["plain", "cross-site"])
@pytest.mark.parametrize("role", ["learner", "teacher"])
async def test_no_get_changes_a_row(
    school: School, database: Database, role: str, headers: dict[str, str]
) -> None:
    session = (await school.open("Amina"))["sessionId"]
    await school.client.post("/auth/dev-login", json={"name": "Otto", "role": role})
    known: dict[str, str] = defaultdict(lambda: "icon.svg")
    known |= {
        "tenant_id": str(school.tenant.id),
        "course_id": school.course.slug,
        "module_id": str(school.modules[1].id),
        "lesson_id": str(school.lessons[0][1].id),
        "session_id": session,
        "room": school.room(),
    }
    before = await dump_tables(database)
    statuses = set()
    paths = list(get_routes(school.app.routes))
    for path in paths:
        url = re.sub(r":\w+}", "}", path).format_map(known)
        query = {"lesson": known["lesson_id"], "courseId": known["course_id"]}
        answer = await school.client.get(url, params=query, headers=headers)
        statuses.add(answer.status_code)
    after = await dump_tables(database)
    assert {table for table in before if before[table] != after[table]} - COUNTERS == set()
    assert len(paths) > 20
    assert 200 in statuses
    assert len(before) > 20


async def test_a_module_page_is_not_opened_by_get(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    answer = await school.client.get(school.page())
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert await school.rows("select from enrollments") == []


async def test_another_site_cannot_open_a_module_page_by_post(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    answer = await school.client.post(
        school.page(), headers={**CROSS_SITE, "Origin": "https://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert await school.rows("select from enrollments") == []
