"""Sign-in over HTTP: development sign-in, the cookie, the account created on the first request."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from db import tenant_tx
from db.account_commands import block_person, give_role, unblock_person
from db.roles import ROLE_NAMES
from db.tenants import ensure_tenant
from tests.web.conftest import ORIGIN, School
from web.auth import make_token
from web.claims import Claims


async def test_development_sign_in_sets_an_http_only_cookie(school: School) -> None:
    answer = await school.client.post("/auth/dev-login", json={"name": "Amina"})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert cookie.startswith("bodh_session=")
    assert answer.json()["token"] not in cookie
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


async def test_sign_out_ends_the_session_on_the_server(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    copied = dict(school.client.cookies)
    out = await school.client.post("/auth/sign-out", json={})
    assert (out.status_code, out.json()) == (200, {"providerUrl": None})
    assert not school.client.cookies
    assert (await school.client.get("/api/me")).status_code == 401
    school.client.cookies.update(copied)
    assert (await school.client.get("/api/me")).status_code == 401


async def test_new_sign_in_ends_the_earlier_session_of_the_browser(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    earlier = {"Cookie": f"bodh_session={school.client.cookies['bodh_session']}"}
    await school.client.post("/auth/dev-login", json={"name": "Badr"})
    assert (await school.client.get("/api/me")).json()["name"] == "Badr"
    school.client.cookies.clear()
    assert (await school.client.get("/api/me", headers=earlier)).status_code == 401


async def test_sign_out_without_a_session_succeeds(school: School) -> None:
    assert (await school.client.post("/auth/sign-out")).status_code == 200


async def test_bearer_token_can_start_a_session(school: School) -> None:
    kept = await school.client.post("/auth/sign-in", headers=school.auth("Amina"))
    assert kept.status_code == 204
    assert (await school.client.get("/api/me")).json()["name"] == "Amina"


async def test_session_cannot_prolong_itself(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    cookie = school.client.cookies["bodh_session"]
    assert (await school.client.post("/auth/sign-in")).status_code == 401
    assert school.client.cookies["bodh_session"] == cookie


async def test_cookie_is_bound_to_the_host_over_https(school: School) -> None:
    school.settings.public_url = "https://learn.example"
    origin = {"Origin": "https://learn.example"}
    body = {"name": "Amina"}
    answer = await school.client.post("/auth/dev-login", json=body, headers=origin)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-bodh_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-4], lambda text: "A" * len(text), str.lower]
)
async def test_damaged_cookie_signs_nobody_in(school: School, damage: Callable[[str], str]) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    cookie = damage(school.client.cookies["bodh_session"])
    school.client.cookies.clear()
    answer = await school.client.get("/api/me", headers={"Cookie": f"bodh_session={cookie}"})
    assert answer.status_code == 401


async def test_session_ends_after_a_week_and_when_idle(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    for _ in range(6):
        school.clock.pass_(days=1)
        assert (await school.client.get("/api/me")).status_code == 200
    school.clock.pass_(days=1)
    assert (await school.client.get("/api/me")).status_code == 401
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    school.clock.pass_(days=2, seconds=1)
    assert (await school.client.get("/api/me")).status_code == 401


async def test_demoted_role_takes_effect_at_the_next_request(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina", "role": "admin"})
    assert (await school.client.get("/api/notices")).status_code == 200
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await give_role(db, school.tenant.id, "Amina", "learner")
    assert (await school.client.get("/api/notices")).status_code == 403


async def test_older_token_restores_no_role(school: School) -> None:
    old, new = [
        make_token(
            school.settings,
            Claims("amina", "Amina", ROLE_NAMES[role], "default"),
            datetime.now(UTC) - timedelta(seconds=age),
        )
        for role, age in (("admin", 30), ("learner", 10))
    ]
    found = []
    for token in (old, new, old):
        header = {"Authorization": f"Bearer {token}"}
        found.append((await school.client.get("/api/notices", headers=header)).status_code)
    assert found == [200, 403, 403]


async def test_blocked_account_is_refused_by_token_and_by_session(school: School) -> None:
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await block_person(db, school.tenant.id, "Amina", school.clock.now)
    by_session = await school.client.get("/api/me")
    by_token = await school.client.get("/api/me", headers=school.auth("Amina"))
    again = await school.client.post("/auth/dev-login", json={"name": "Amina"})
    room = await school.client.post(school.page(), headers=school.auth("Amina"))
    assert by_session.status_code == 401  # the session has ended
    for answer in (by_token, again, room):
        assert (answer.status_code, answer.json()["code"]) == (403, "blocked")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await unblock_person(db, school.tenant.id, "Amina")
    assert (await school.client.get("/api/me", headers=school.auth("Amina"))).status_code == 200


async def test_token_without_a_tenant_opens_the_only_one_and_nothing_among_several(
    school: School,
) -> None:
    def tenantless() -> dict[str, str]:
        claims = Claims("amina", "Amina", "admin", None)
        return {"Authorization": f"Bearer {make_token(school.settings, claims, datetime.now(UTC))}"}

    only = await school.client.get("/api/me", headers=tenantless())
    assert (only.status_code, only.json()["tenant"]) == (200, "default")
    async with school.pool.acquire() as db:
        await ensure_tenant(db, "second", "Second")
    assert (await school.client.get("/api/me", headers=tenantless())).status_code == 403


async def test_options_say_how_to_sign_in_and_where_to_return(school: School) -> None:
    async def options(query: str = "") -> dict[str, object]:
        answer = await school.client.get(f"/auth/options{query}")
        options: dict[str, object] = answer.json()
        return options

    assert await options() == {"provider": False, "byName": True, "returnTo": "/"}
    assert (await options("?return_to=/transcripts"))["returnTo"] == "/transcripts"
    assert (await options(f"?callbackUrl={ORIGIN}/transcripts"))["returnTo"] == "/transcripts"
    assert (await options("?callbackUrl=https://evil.example"))["returnTo"] == "/"
    school.settings.bodh_env = "production"
    school.settings.oidc_issuer = "https://id.school.example"
    assert await options() == {"provider": True, "byName": False, "returnTo": "/"}


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
        {"Cookie": "bodh_session=nonsense"},
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
            ("POST", library.page(), None),
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
