"""Malformed requests and failing services: always `{error, code}`, never a traceback."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from db import create_pool
from tests.conftest import Database
from tests.web.conftest import School

JSON = {"Content-Type": "application/json"}
BROKEN = [
    b"{",
    b"[]",
    b"7",
    b'"text"',
    b"\xff\xfe{}",
    b'{"lessonId": "\xc3\x28"}',
    b'{"lessonId": "\\ud800"}',
    b'{"lessonId": "\\u0000"}',
    b"[" * 20_000,
    b'{"lessonId": NaN}',
    b"\x00",
]


async def send(school: School, method: str, path: str, body: bytes) -> Any:
    headers = {**school.auth("Amina"), **JSON}
    return await school.client.request(method, path, headers=headers, content=body)


@pytest.mark.parametrize("body", BROKEN)
async def test_malformed_body_is_422_on_every_route_with_a_body(
    library: School, body: bytes
) -> None:
    lesson = library.lessons[0][0].id
    answers = [
        await send(library, method, path, body)
        for method, path in (
            ("POST", "/auth/dev-login"),
            ("POST", "/api/livekit/token"),
            ("POST", f"/api/rooms/{library.room()}/lesson"),
            ("PUT", f"/api/lessons/{lesson}/progress"),
        )
    ]
    # an object without the fields of progress changes nothing and is well formed
    answers = [a for a in answers if not (a.status_code == 200 and a.request.method == "PUT")]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(422, "invalid")}


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800"])
async def test_text_that_cannot_be_stored_is_422(library: School, text: str) -> None:
    answer = await send(
        library, "POST", "/api/livekit/token", b'{"room_name": "%s"}' % text.encode()
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_error_does_not_repeat_what_was_sent(library: School) -> None:
    answer = await send(library, "POST", "/auth/dev-login", b'{"name": ["my-secret-words"]}')
    assert answer.status_code == 422
    assert "my-secret-words" not in answer.text


async def test_a_body_above_256_kib_is_413(library: School) -> None:
    path = f"/api/lessons/{library.lessons[0][0].id}/progress"
    small = await send(library, "PUT", path, b'{"percentage": 1%s}' % (b" " * 200_000))
    large = await send(library, "PUT", path, b'{"percentage": 1%s}' % (b" " * 300_000))
    assert small.status_code == 200
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


async def test_chunked_body_above_256_kib_is_413(library: School) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    answer = await library.client.put(
        f"/api/lessons/{library.lessons[0][0].id}/progress",
        headers={**library.auth("Amina"), **JSON},
        content=parts(),
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/nothing", (404, "not_found")),
        ("GET", "/nothing/at/all", (404, "not_found")),
        ("DELETE", "/api/courses", (405, "method_not_allowed")),
        ("PATCH", "/auth/dev-login", (405, "method_not_allowed")),
    ],
)
async def test_unknown_route_or_method_has_the_same_error_format(
    library: School, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = await library.client.request(method, path, headers=library.auth("Amina"))
    assert (answer.status_code, answer.json()["code"]) == expected


async def test_without_the_database_responses_are_503(school: School) -> None:
    context = school.app.state.context
    working = context.pool
    context.pool = await create_pool("postgresql://bodh_app@/bodh?host=/nonexistent")
    context.tenants.clear()
    try:
        me = await school.client.get("/api/me", headers=school.auth("Amina"))
        ready = await school.client.get("/readyz")
        alive = await school.client.get("/healthz")
    finally:
        await context.pool.close()
        context.pool = working
    assert [(a.status_code, a.json()["code"]) for a in (me, ready)] == [(503, "unavailable")] * 2
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


async def test_with_a_closed_pool_responses_are_503(school: School) -> None:
    context = school.app.state.context
    working = context.pool
    context.pool = await create_pool("postgresql://bodh_app@/bodh?host=/nonexistent")
    await context.pool.close()
    try:
        me = await school.client.get("/api/me", headers=school.auth("Amina"))
    finally:
        context.pool = working
    assert (me.status_code, me.json()["code"]) == (503, "unavailable")


async def test_misspelt_column_is_500_and_not_503(school: School, database: Database) -> None:
    owner = await asyncpg.connect(database.dsn("bodh_owner"))
    await owner.execute("alter table accounts rename column subject to subjct")
    await owner.close()
    answer = await school.client.get("/api/me", headers=school.auth("Amina"))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


async def test_ready_when_database_and_media_server_respond(library: School) -> None:
    answer = await library.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_internal_error_reveals_nothing(school: School) -> None:
    school.app.state.context.tenants["default"] = None  # cached, but not a tenant
    school.app.state.context.verifier = None
    answer = await school.client.get("/api/me", headers=school.auth("Amina"))
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "Something went wrong on our side", "code": "internal"},
    )
