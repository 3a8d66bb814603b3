"""The OpenAPI document: complete, and true under generated requests."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from settings import Settings
from tests.web.conftest import School
from web.app import create_app

PROBLEMS = {"401", "403", "404", "409", "413", "422", "429", "503"}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 6  # for each route and way of making requests


@pytest.fixture
async def address(school: School) -> AsyncIterator[str]:
    """The test's application behind a real socket of this process."""
    school.settings.rate_token_per_minute = 1_000_000
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(school.app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving


def test_every_route_documents_its_errors(settings: Settings) -> None:
    document = create_app(settings).openapi()
    lacking = {
        f"{method} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith(("/api/", "/auth/")) and not set(operation["responses"]) >= PROBLEMS
    }
    assert lacking == set()


def test_every_response_of_the_api_has_a_schema(settings: Settings) -> None:
    document = create_app(settings).openapi()
    bare = {
        f"{method} {path} {status}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
        if status not in ("204", "304")
        and not all(
            content["schema"] for content in response.get("content", {"": {"schema": 0}}).values()
        )
    }
    assert bare == set()


async def test_generated_requests_get_only_documented_responses(
    school: School, address: str
) -> None:
    session = (await school.open("Amina"))["sessionId"]
    known = {
        "course_id": school.course.slug,
        "module_id": str(school.modules[0].id),
        "lesson_id": str(school.lessons[0][0].id),
        "session_id": session,
        "room": school.room(),
    }
    good = {
        "/api/livekit/token": {
            "query": {"courseId": known["course_id"], "moduleId": known["module_id"]}
        },
        "/api/rooms/{room}/lesson": {"body": {"lessonId": known["lesson_id"]}},
    }
    headers = school.auth("Amina")
    await asyncio.to_thread(run, school.app.openapi(), address, known, good, headers)


def run(
    document: Any,
    address: str,
    known: dict[str, str],
    good: dict[str, Any],
    headers: dict[str, str],
) -> None:
    """Valid and invalid requests for every schema, with known and random ids."""
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # raises for an invalid one
        names = {p.name for p in operation.path_parameters}
        ids = {name: value for name, value in known.items() if name in names}
        given_parts = good.get(operation.path, {})
        attempt(operation.as_strategy(GenerationMode.POSITIVE), address, headers)
        if operation.path_parameters or operation.query or operation.body:
            attempt(operation.as_strategy(GenerationMode.NEGATIVE), address, headers)
        if ids or given_parts:
            requests = operation.as_strategy(path_parameters=ids or None, **given_parts)
            attempt(requests, address, headers)


def attempt(requests: Any, address: str, headers: dict[str, str]) -> None:
    """Sends generated requests one by one and checks each answer against the document."""

    @given(requests)
    @limits(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Case[Any]) -> None:
        case.headers.pop("Authorization", None)
        case.call_and_validate(base_url=address, headers=headers, checks=CHECKS)

    check()
