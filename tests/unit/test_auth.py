"""Sign-in tokens: which verify, which are refused, and which writes by cookie are accepted."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.requests import Request

from db import Forbidden
from settings import Settings
from web.auth import Claims, TokenVerifier, check_origin, make_token, token_of
from web.errors import SignInRequired, SignInUnavailable

NOW = datetime.now(UTC)
AMINA = Claims(subject="Amina", name="Amina", role="learner", tenant="default")
SECRET = "a-key-of-this-test-with-enough-bytes-in-it"


@pytest.fixture
async def verifier(settings: Settings) -> AsyncIterator[TokenVerifier]:
    settings.auth_secret = SecretStr(SECRET)
    verifier = TokenVerifier(settings)
    yield verifier
    await verifier.aclose()


def signed(**changes: Any) -> str:
    """A valid token with some claims changed; None removes a claim."""
    claims = {
        "iss": "bodh",
        "aud": "bodh",
        "sub": "amina",
        "exp": NOW + timedelta(hours=1),
        "tenant": "school",
        "roles": ["learner"],
        "name": "Amina",
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, SECRET, algorithm="HS256")


async def test_our_own_token_verifies(settings: Settings, verifier: TokenVerifier) -> None:
    assert await verifier.verify(make_token(settings, AMINA, NOW)) == AMINA


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - timedelta(minutes=1)},
        {"exp": None},
        {"aud": "elsewhere"},
        {"aud": None},
        {"iss": "elsewhere"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\0b"},
        {"sub": "x" * 256},
        {"tenant": 7},
        {"tenant": "a\nb"},
        {"roles": "admin"},
        {"name": ["Amina"]},
        {"name": "\ud800"},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(SignInRequired):
        await verifier.verify(signed(**changes))


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ([], "learner"),
        (["learner"], "learner"),
        (["mentee"], "learner"),
        (["mentor"], "teacher"),
        (["teacher", "learner"], "teacher"),
        (["learner", "admin"], "admin"),
        (["root", 7], "learner"),
    ],
)
async def test_the_strongest_known_role_counts(
    verifier: TokenVerifier, roles: list[Any], expected: str
) -> None:
    assert (await verifier.verify(signed(roles=roles))).role == expected


async def test_token_without_a_tenant_belongs_to_the_default_tenant(
    verifier: TokenVerifier,
) -> None:
    assert (await verifier.verify(signed(tenant=None, name=None))) == Claims(
        subject="amina", name="User", role="learner", tenant="default"
    )


async def test_a_changed_payload_is_refused(verifier: TokenVerifier) -> None:
    head, body, signature = signed().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "roles": ["admin"]}).encode())
    with pytest.raises(SignInRequired):
        await verifier.verify(f"{head}.{forged.decode().rstrip('=')}.{signature}")


async def test_an_unsigned_token_is_refused(verifier: TokenVerifier) -> None:
    claims = jwt.decode(signed(), options={"verify_signature": False})
    with pytest.raises(SignInRequired):
        await verifier.verify(jwt.encode(claims, "", algorithm="none"))


@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2}")))
async def test_any_other_text_raises_only_sign_in_required(
    verifier: TokenVerifier, text: str
) -> None:
    with pytest.raises(SignInRequired):
        await verifier.verify(text)


@dataclass
class Provider:
    """An identity provider's key endpoint, over HTTP."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    fetches: int = 0
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.fetches += 1
        body = json.dumps({"keys": self.keys}).encode()
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    yield provider
    server.close()
    await server.wait_closed()


@pytest.fixture
async def oidc(settings: Settings, provider: Provider) -> AsyncIterator[TokenVerifier]:
    settings.auth_secret = SecretStr(SECRET)
    settings.oidc_jwks_url = provider.url
    verifier = TokenVerifier(settings)
    yield verifier
    await verifier.aclose()


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def published(kid: str) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return {**public, "kid": kid, "alg": "RS256", "use": "sig"}


def issued(kid: str) -> str:
    claims = jwt.decode(signed(), options={"verify_signature": False})
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": kid})


async def test_provider_token_verifies_with_a_key_fetched_once(
    oidc: TokenVerifier, provider: Provider
) -> None:
    provider.keys = [published("one")]
    for _ in range(3):
        assert (await oidc.verify(issued("one"))).subject == "amina"
    assert provider.fetches == 1


async def test_unknown_key_is_fetched_once_and_refused(
    oidc: TokenVerifier, provider: Provider
) -> None:
    provider.keys = [published("one")]
    for _ in range(5):
        with pytest.raises(SignInRequired):
            await oidc.verify(issued("two"))
    assert provider.fetches == 1


async def test_without_the_providers_keys_sign_in_is_unavailable(
    oidc: TokenVerifier, provider: Provider
) -> None:
    provider.status = 500
    with pytest.raises(SignInUnavailable):
        await oidc.verify(issued("one"))


async def test_token_signed_with_the_public_key_as_secret_is_refused(
    settings: Settings, provider: Provider, oidc: TokenVerifier
) -> None:
    provider.keys = [published("one")]
    await oidc.verify(issued("one"))
    claims = jwt.decode(signed(), options={"verify_signature": False})
    forged = jwt.encode(claims, provider.keys[0]["n"], algorithm="HS256", headers={"kid": "one"})
    with pytest.raises(SignInRequired):
        await oidc.verify(forged)


async def test_production_with_a_provider_refuses_tokens_of_our_key(
    settings: Settings, provider: Provider, oidc: TokenVerifier
) -> None:
    settings.bodh_env = "production"
    provider.keys = [published("one")]
    with pytest.raises(SignInRequired):
        await oidc.verify(signed())


def request(settings: Settings, method: str = "POST", **headers: str) -> Request:
    app = SimpleNamespace(state=SimpleNamespace(settings=settings))
    named = {"host": "127.0.0.1:8080", **{k.replace("_", "-"): v for k, v in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": method, "headers": raw, "app": app, "path": "/"})


def test_bearer_token_takes_precedence_over_the_cookie(settings: Settings) -> None:
    both = request(settings, authorization="Bearer one", cookie="bodh_sign_in=two")
    assert token_of(both) == "one"


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"origin": "https://learn.example"}, True),
        ({}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "https://learn.example.evil"}, False),
        ({"origin": "http://evil.example", "host": "evil.example"}, False),
    ],
)
def test_write_with_the_cookie_must_come_from_our_page(
    settings: Settings, headers: dict[str, str], taken: bool
) -> None:
    settings.public_url = "https://learn.example/"
    asked = request(settings, cookie="bodh_sign_in=two", **headers)
    if taken:
        assert token_of(asked) == "two"
    else:
        with pytest.raises(Forbidden):
            token_of(asked)


def test_read_with_the_cookie_is_accepted_from_any_origin(settings: Settings) -> None:
    asked = request(settings, "GET", cookie="bodh_sign_in=two", origin="http://evil.example")
    assert token_of(asked) == "two"


def test_write_with_a_bearer_token_needs_no_origin(settings: Settings) -> None:
    asked = request(settings, authorization="Bearer one", origin="http://evil.example")
    assert token_of(asked) == "one"


def test_request_without_a_sign_in_is_refused(settings: Settings) -> None:
    with pytest.raises(SignInRequired):
        token_of(request(settings, authorization="Basic abc"))


def test_production_accepts_only_its_public_origin(settings: Settings) -> None:
    settings.bodh_env = "production"
    settings.public_url = "https://learn.example"
    with pytest.raises(Forbidden):
        check_origin(request(settings, origin="http://127.0.0.1:8080"))
