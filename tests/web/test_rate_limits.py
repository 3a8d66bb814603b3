"""Each account may only do so much a minute; others do not notice."""

from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.web.conftest import School
from web import dependencies

REQUESTS = {
    "lesson": ("POST", "/api/rooms/none/lesson", {"lessonId": str(uuid4())}),
    "settings": ("PATCH", "/api/me/settings", {"theme": "dark"}),
    "erase": ("DELETE", f"/api/me/words?sessionId={uuid4()}", None),
    "transcripts": ("GET", "/api/me/transcripts?q=loss", None),
    "progress": ("PUT", f"/api/lessons/{uuid4()}/progress", {"percentage": 50}),
    "export": ("GET", "/api/me/export", None),
    "sign-in": ("POST", "/auth/sign-in", None),
    "restrictions": (
        "PUT",
        f"/api/sessions/{uuid4()}/restrictions/l_none",
        {"restriction": "muted"},
    ),
}


async def send(school: School, name: str, who: str) -> httpx.Response:
    method, path, body = REQUESTS[name]
    return await school.client.request(method, path, json=body, headers=school.auth(who))


@pytest.mark.parametrize("name", REQUESTS)
async def test_requests_above_the_rate_are_refused_until_the_next_minute(
    school: School, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dependencies.LIMITS, name, 2)
    school.clock.now = school.clock.now.replace(second=10)
    codes = [(await send(school, name, "Mallory")).status_code for _ in range(3)]
    others = (await send(school, name, "Amina")).status_code
    school.clock.pass_(minutes=1)
    later = (await send(school, name, "Mallory")).status_code
    assert [code == 429 for code in codes] == [False, False, True]
    assert 429 not in (others, later)


async def test_a_refused_request_says_what_to_do(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dependencies.LIMITS, "settings", 0)
    refused = await send(school, "settings", "Mallory")
    body: dict[str, Any] = refused.json()
    assert body == {"error": "Too many requests. Wait a minute.", "code": "rate_exceeded"}
    assert refused.headers["retry-after"] == "60"


def test_every_limit_is_tested() -> None:
    assert REQUESTS.keys() == dependencies.LIMITS.keys()
