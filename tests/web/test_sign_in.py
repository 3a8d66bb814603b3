"""Sign-in over HTTP: development sign-in, the cookie, the account created on the first request."""

import asyncio

import httpx2
import pytest

from tests.web.conftest import ORIGIN, School


async def test_development_sign_in_sets_an_http_only_cookie(school: School) -> None:
    answer = await school.client.post("/auth/dev-login", json={"name": "Amina"})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert cookie.startswith(f"bodh_sign_in={answer.json()['token']};")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "no-store" in answer.headers["cache-control"]


async def test_the_cookie_signs_in(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina", "role": "mentor"})
    me = (await school.client.get("/api/me")).json()
    assert (me["name"], me["role"], me["tenant"]) == ("Amina", "teacher", "default")


async def test_the_same_name_is_the_same_account_in_its_tenant_only(school: School) -> None:
    ids = []
    for tenant in ("default", "default", "other-school"):
        body = {"name": "Amina", "role": "learner", "tenant": tenant}
        token = (await school.client.post("/auth/dev-login", json=body)).json()["token"]
        school.client.cookies.clear()
        headers = {"Authorization": f"Bearer {token}"}
        ids.append((await school.client.get("/api/me", headers=headers)).json()["id"])
    assert ids[0] == ids[1] != ids[2]


async def test_concurrent_first_requests_create_one_account(library: School) -> None:
    mine = await asyncio.gather(*(library.get("/api/me", "Amina") for _ in range(20)))
    assert len({me["id"] for me in mine}) == 1


async def test_sign_out_removes_the_cookie(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    out = await school.client.post("/auth/sign-out", json={})
    assert out.status_code == 204
    assert (await school.client.get("/api/me")).status_code == 401


async def test_bearer_token_can_be_set_as_the_cookie(school: School) -> None:
    kept = await school.client.post("/auth/sign-in", headers=school.auth("Amina"))
    assert kept.status_code == 204
    assert (await school.client.get("/api/me")).json()["name"] == "Amina"


async def test_another_site_cannot_write_with_the_cookie(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    path = f"/api/lessons/{school.lessons[0][0].id}/progress"
    foreign = await school.client.put(
        path, json={"completed": True}, headers={"Origin": "http://evil.example"}
    )
    own = await school.client.put(path, json={"completed": True}, headers={"Origin": ORIGIN})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "forbidden")
    assert own.status_code == 200


async def test_another_site_cannot_sign_a_browser_in_or_out(school: School) -> None:
    evil = {"Origin": "http://evil.example"}
    signed_in = await school.client.post("/auth/dev-login", json={"name": "Eve"}, headers=evil)
    signed_out = await school.client.post("/auth/sign-out", headers=evil)
    assert (signed_in.status_code, signed_out.status_code) == (403, 403)


async def test_production_has_no_sign_in_by_name(school: School) -> None:
    school.settings.bodh_env = "production"
    answer = await school.client.post("/auth/dev-login", json={"name": "Amina"})
    assert answer.status_code == 404


async def test_production_creates_no_tenant(school: School) -> None:
    school.settings.bodh_env = "production"
    known = await school.client.get("/api/me", headers=school.auth("Amina"))
    unknown = await school.client.get("/api/me", headers=school.auth("Amina", tenant="nowhere"))
    assert (known.status_code, unknown.status_code) == (200, 403)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "a\0b"},
        {"name": "x" * 81},
        {"name": 7},
        {"name": "Amina", "role": "root"},
        {"name": "Amina", "tenant": "../x"},
    ],
)
async def test_a_malformed_sign_in_is_422(library: School, body: dict[str, object]) -> None:
    answer = await library.client.post("/auth/dev-login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic QTpC"},
        {"Cookie": "bodh_sign_in=nonsense"},
    ],
)
async def test_every_route_is_401_without_a_valid_sign_in(
    library: School, headers: dict[str, str]
) -> None:
    answers: list[httpx2.Response] = [
        await library.client.request(method, path, headers=headers, json=body)
        for method, path, body in (
            ("GET", "/api/me", None),
            ("GET", "/api/courses", None),
            ("GET", f"/api/courses/{library.course.slug}", None),
            ("GET", library.page(), None),
            ("POST", "/api/livekit/token", {"room_name": library.room()}),
            ("POST", f"/api/rooms/{library.room()}/lesson", {"lessonId": str(library.course.id)}),
            ("GET", f"/api/lessons/{library.lessons[0][0].id}", None),
            ("GET", f"/api/lessons/{library.lessons[0][0].id}/captions", None),
            ("PUT", f"/api/lessons/{library.lessons[0][0].id}/progress", {}),
            ("GET", f"/api/sessions/{library.course.id}/transcript", None),
        )
    ]
    assert {(a.status_code, a.text) for a in answers} == {
        (401, '{"error":"Unauthorized","code":"unauthorized"}')
    }
    assert {a.headers["www-authenticate"] for a in answers} == {"Bearer"}
