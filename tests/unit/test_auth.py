"""Sign-in tokens of our own key: which verify, and which are refused."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from settings import Settings
from web.auth import TokenVerifier, make_token
from web.claims import Claims
from web.errors import SignInRequired
from web.keys import ProviderKeys

AMINA = Claims(subject="Amina", name="Amina", role="learner", tenant="default")
SECRET = "a-key-of-this-test-with-enough-bytes-in-it"


async def no_keys() -> dict[str, Any]:
    raise AssertionError("there is no provider to ask")


@pytest.fixture
async def verifier(settings: Settings) -> TokenVerifier:
    settings.auth_secret = SecretStr(SECRET)
    return TokenVerifier(settings, ProviderKeys(no_keys))


def signed(**changes: Any) -> str:
    """A valid token with some claims changed; None removes a claim. A timedelta counts from now."""
    now = datetime.now(UTC)
    claims = {
        "iss": "bodh",
        "aud": "bodh",
        "sub": "amina",
        "exp": timedelta(hours=1),
        "tenant": "school",
        "roles": ["learner"],
        "name": "Amina",
        **changes,
    }
    kept = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in claims.items()
        if value is not None
    }
    return jwt.encode(kept, SECRET, algorithm="HS256")


async def test_our_own_token_verifies(settings: Settings, verifier: TokenVerifier) -> None:
    assert await verifier.verify(make_token(settings, AMINA, datetime.now(UTC))) == AMINA


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -timedelta(seconds=65)},
        {"nbf": timedelta(seconds=65)},
        {"iat": timedelta(seconds=65)},
        {"iat": 10**30},
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
    "changes",
    [
        {"exp": -timedelta(seconds=50)},
        {"nbf": timedelta(seconds=50)},
        {"iat": timedelta(seconds=50)},
    ],
)
async def test_clocks_may_differ_by_a_minute(
    verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    assert (await verifier.verify(signed(**changes))).subject == "amina"


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", 7])
async def test_a_token_of_another_type_is_refused(verifier: TokenVerifier, kind: Any) -> None:
    claims = jwt.decode(signed(), options={"verify_signature": False})
    with pytest.raises(SignInRequired):
        await verifier.verify(jwt.encode(claims, SECRET, "HS256", headers={"typ": kind}))


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


async def test_production_with_a_provider_refuses_tokens_of_our_key(
    settings: Settings, verifier: TokenVerifier
) -> None:
    settings.oidc_issuer = "https://id.school.example"
    assert (await verifier.verify(signed())).subject == "amina"
    settings.bodh_env = "production"
    with pytest.raises(SignInRequired):
        await verifier.verify(signed())


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
