"""Sign-in by OpenID Connect at a real provider, without a browser: every redirect and refusal."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from db import tenant_tx
from db.account_commands import block_person, make_or_invite_admin
from db.tenants import ensure_tenant
from harness.oidc import LocalIdentityProvider, ProviderVisitor, running_identity_provider
from tests.web.conftest import ORIGIN, School

GROUPS = [f"/school/year-{n:03}/a-group-with-a-rather-long-name" for n in range(120)]
PEOPLE: dict[str, dict[str, Any]] = {
    "amina-1": {
        "name": "Amina Khan",
        "email": "amina@school.example",
        "email_verified": True,
        "roles": ["teacher"],
    },
    "badr-2": {"given_name": "Badr", "groups": GROUPS},
}
COOKIE_LIMIT = 4096  # browsers drop larger ones
ATTEMPT = "bodh_sign_in_"


@pytest.fixture(scope="module")
def provider() -> Iterator[LocalIdentityProvider]:
    """Its ID token holds only `sub`; the other claims are in the userinfo answer."""
    with running_identity_provider(ORIGIN, PEOPLE) as provider:
        yield provider


@pytest.fixture(scope="module")
def verbose_provider() -> Iterator[LocalIdentityProvider]:
    """Its ID token holds all claims."""
    with running_identity_provider(ORIGIN, PEOPLE, in_id_token=True) as provider:
        yield provider


@dataclass
class Person:
    """A person whose browser visits the page and the provider."""

    school: School
    there: ProviderVisitor

    async def start(self, query: str = "") -> str:
        """The address at the provider to which the page sends the browser."""
        answer = await self.school.client.get(f"/auth/oidc/start{query}")
        assert answer.status_code == 303
        location: str = answer.headers["location"]
        return location

    async def sign_in(self, login: str, query: str = "") -> str:
        """Signs in and returns where the page sends the browser at the end."""
        return await self.finish(
            await self.there.submit_forms_until_page(await self.start(query), **typed(login))
        )

    async def finish(self, callback: str) -> str:
        answer = await self.school.client.get(callback)
        assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
        location: str = answer.headers["location"]
        return location

    async def me(self) -> dict[str, Any]:
        answer = await self.school.client.get("/api/me")
        me: dict[str, Any] = answer.json()
        return me

    def change_attempt(self, **changes: str) -> None:
        """Changes what the browser keeps of the sign-in under way."""
        cookies = self.school.client.cookies
        (name,) = [name for name in cookies if name.startswith(ATTEMPT)]
        attempt = json.loads(base64.urlsafe_b64decode(cookies[name].strip('"')))
        text = json.dumps({**attempt, **changes}).encode()
        cookies.set(name, base64.urlsafe_b64encode(text).decode(), domain="127.0.0.1", path="/")


def typed(login: str) -> dict[str, str]:
    return {"login": login, "password": "any"}


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
async def visitor() -> AsyncIterator[ProviderVisitor]:
    visitor = ProviderVisitor(ORIGIN)
    yield visitor
    await visitor.aclose()


@pytest.fixture
async def person(
    school: School, provider: LocalIdentityProvider, visitor: ProviderVisitor
) -> Person:
    provider.configure(school.settings)
    return Person(school, visitor)


async def test_person_signs_in_and_returns_to_the_page(person: Person) -> None:
    assert await person.sign_in("amina-1", "?return_to=/transcripts%3Flesson%3D1") == (
        "/transcripts?lesson=1"
    )
    me = await person.me()
    assert (me["name"], me["role"], me["tenant"]) == ("Amina Khan", "teacher", "default")
    assert list(person.school.client.cookies) == ["bodh_session"]


async def test_request_to_the_provider_carries_pkce_state_and_nonce(person: Person) -> None:
    first, second = [query_of(await person.start()) for _ in range(2)]
    assert (first["response_type"], first["code_challenge_method"]) == ("code", "S256")
    assert first["redirect_uri"] == f"{ORIGIN}/auth/oidc/callback"
    for secret in ("state", "nonce", "code_challenge"):
        assert len(first[secret]) >= 32
        assert first[secret] != second[secret]


async def test_two_tabs_sign_in_at_once(person: Person) -> None:
    starts = [await person.start(f"?return_to={path}") for path in ("/transcripts", "/?course=1")]
    callbacks = [
        await person.there.submit_forms_until_page(url, **typed("amina-1")) for url in starts
    ]
    assert [await person.finish(url) for url in callbacks] == ["/transcripts", "/?course=1"]


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"state": "another"}, "expired"),
        ({"nonce": "another"}, "failed"),
        ({"verifier": "another-verifier-of-forty-three-characters-xx"}, "failed"),
    ],
)
async def test_answer_to_another_attempt_is_refused(
    person: Person, changes: dict[str, str], trouble: str
) -> None:
    callback = await person.there.submit_forms_until_page(await person.start(), **typed("amina-1"))
    person.change_attempt(**changes)
    assert query_of(await person.finish(callback))["trouble"] == trouble
    assert "bodh_session" not in person.school.client.cookies


async def test_answer_in_another_browser_is_refused(person: Person) -> None:
    callback = await person.there.submit_forms_until_page(await person.start(), **typed("amina-1"))
    person.school.client.cookies.clear()
    assert query_of(await person.finish(callback)) == {"trouble": "expired"}


async def test_code_works_only_once(person: Person) -> None:
    callback = await person.there.submit_forms_until_page(await person.start(), **typed("amina-1"))
    kept = dict(person.school.client.cookies)
    assert await person.finish(callback) == "/"
    person.school.client.cookies = kept
    assert query_of(await person.finish(callback))["trouble"] == "failed"


async def test_answer_of_another_provider_is_refused(person: Person) -> None:
    callback = await person.there.submit_forms_until_page(await person.start(), **typed("amina-1"))
    assert "&iss=http" in callback
    callback = callback.replace("&iss=http", "&iss=https")
    assert query_of(await person.finish(callback))["trouble"] == "failed"


@pytest.mark.parametrize(
    ("error", "trouble"), [("access_denied", "denied"), ("server_error", "failed")]
)
async def test_person_who_cancels_returns_to_the_sign_in_page(
    person: Person, error: str, trouble: str
) -> None:
    state = query_of(await person.start("?return_to=/transcripts"))["state"]
    location = await person.finish(f"/auth/oidc/callback?state={state}&error={error}")
    assert location.startswith("/auth/signin?")
    assert query_of(location) == {"trouble": trouble, "return_to": "/transcripts"}


async def test_blocked_account_gets_no_session(person: Person) -> None:
    await person.sign_in("amina-1")
    school = person.school
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await block_person(db, school.tenant.id, "amina@school.example", school.clock.now)
    assert (await school.client.get("/api/me")).status_code == 401
    assert query_of(await person.sign_in("amina-1"))["trouble"] == "blocked"
    assert (await school.client.get("/api/me")).status_code == 401


async def test_person_without_a_tenant_gets_no_session_among_several(person: Person) -> None:
    async with person.school.pool.acquire() as db:
        await ensure_tenant(db, "second", "Second")
    assert query_of(await person.sign_in("amina-1"))["trouble"] == "no_access"
    assert "bodh_session" not in person.school.client.cookies


async def test_invited_admin_is_admin_at_the_first_sign_in(person: Person) -> None:
    school = person.school
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await make_or_invite_admin(db, school.tenant.id, "amina@school.example")
    await person.sign_in("amina-1")
    assert (await person.me())["role"] == "admin"


async def test_sign_out_ends_the_session_at_the_provider_too(person: Person) -> None:
    await person.sign_in("amina-1")
    again = await person.there.submit_forms_until_page(
        await person.start()
    )  # without typing anything
    assert await person.finish(again) == "/"
    answer = await person.school.client.post("/auth/sign-out")
    url = answer.json()["providerUrl"]
    assert query_of(url)["id_token_hint"]
    assert await person.there.submit_forms_until_page(url, logout="yes") == f"{ORIGIN}/auth/signin"
    assert (await person.school.client.get("/api/me")).status_code == 401
    with pytest.raises(AssertionError, match="asks for"):
        await person.there.submit_forms_until_page(await person.start())


async def test_token_of_120_groups_fits_because_the_cookie_holds_only_a_key(
    school: School, verbose_provider: LocalIdentityProvider, visitor: ProviderVisitor
) -> None:
    verbose_provider.configure(school.settings)
    school.settings.auth_roles_claim = "groups"
    school.settings.auth_role_names = f"{GROUPS[-1]}=teacher"
    person = Person(school, visitor)
    callback = await person.there.submit_forms_until_page(await person.start(), **typed("badr-2"))
    answer = await school.client.get(callback)
    assert all(len(cookie) < 300 for cookie in answer.headers.get_list("set-cookie"))
    me = await person.me()
    assert (me["name"], me["role"]) == ("Badr", "teacher")
    url = (await school.client.post("/auth/sign-out")).json()["providerUrl"]
    assert len(url) < COOKIE_LIMIT  # the ID token would be too long for an address
    assert set(query_of(url)) >= {"client_id", "logout_hint", "post_logout_redirect_uri"}


async def test_provider_that_does_not_respond_is_explained(person: Person) -> None:
    person.school.settings.oidc_issuer = "http://127.0.0.1:9"
    location = await person.start("?return_to=/transcripts")
    assert query_of(location) == {"trouble": "unavailable", "return_to": "/transcripts"}


async def test_document_of_another_issuer_is_not_used(
    person: Person, provider: LocalIdentityProvider
) -> None:
    person.school.settings.oidc_issuer = provider.issuer.replace("127.0.0.1", "localhost")
    assert query_of(await person.start())["trouble"] == "unavailable"


async def test_without_a_provider_there_is_nothing_to_start(school: School) -> None:
    assert (await school.client.get("/auth/oidc/start")).status_code == 404
