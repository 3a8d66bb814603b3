"""The provider's keys: every algorithm, rotation, and forged key ids that delay nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from settings import Settings
from tests.unit.conftest import Clock
from web.auth import TokenVerifier
from web.errors import SignInRequired, SignInUnavailable
from web.keys import MAX_AGE_S, PAUSE_S, UNKNOWN_S, ProviderKeys
from web.oidc import Provider

ISSUER = "https://id.school.example"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
PRIVATE: dict[str, Any] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    **{name: ec.generate_private_key(curve) for name, curve in CURVES.items()},
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
ED448 = ed448.Ed448PrivateKey.generate()


def published(algorithm: str, key: Any = None, **changes: Any) -> dict[str, Any]:
    """The JWK of a key; None removes a member."""
    public = (key or PRIVATE[algorithm]).public_key()
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
    members = {**jwk, "kid": "one", "alg": algorithm, "use": "sig", **changes}
    return {name: value for name, value in members.items() if value is not None}


def issued(algorithm: str = "RS256", kid: Any = "one", key: Any = None, **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "aud": ["bodh", "account"],
        "sub": "amina",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(claims, key or PRIVATE[algorithm], algorithm, headers=headers)


@dataclass
class Endpoint:
    """An identity provider's key endpoint, over HTTP."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [published("RS256")])
    status: int = 200
    fetches: int = 0
    url: str = ""
    answers: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: it hangs

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.fetches += 1
        await self.answers.wait()
        body = json.dumps({"keys": self.keys}).encode()
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    endpoint.answers.set()
    server = await asyncio.start_server(endpoint.answer, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    yield endpoint
    endpoint.answers.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def keys(settings: Settings, endpoint: Endpoint, clock: Clock) -> AsyncIterator[ProviderKeys]:
    settings.oidc_issuer, settings.oidc_jwks_url = ISSUER, endpoint.url
    provider = Provider(settings)
    keys = ProviderKeys(provider.fetch_keys, clock)
    yield keys
    await keys.aclose()
    await provider.aclose()


@pytest.fixture
async def verifier(settings: Settings, keys: ProviderKeys) -> TokenVerifier:
    return TokenVerifier(settings, keys)


@pytest.mark.parametrize("kid", ["one", None])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("algorithm", PRIVATE)
async def test_every_algorithm_verifies_also_with_a_key_without_id_or_algorithm(
    verifier: TokenVerifier, endpoint: Endpoint, algorithm: str, named: bool, kid: str | None
) -> None:
    alg = algorithm if named else None
    endpoint.keys = [
        published("RS256", OTHER_RSA, kid="two"),
        published(algorithm, alg=alg, kid=kid),
    ]
    for token_kid in (kid, None):
        claims = await verifier.verify(issued(algorithm, token_kid))
        assert claims.subject == "amina"
    assert endpoint.fetches == 1


@pytest.mark.parametrize("name", ["EdDSA", "Ed448", None])
async def test_both_edwards_curves_verify_under_their_old_and_new_names(
    verifier: TokenVerifier, endpoint: Endpoint, name: str | None
) -> None:
    endpoint.keys = [published("EdDSA", ED448, alg=name)]
    assert (await verifier.verify(issued("EdDSA", key=ED448))).subject == "amina"


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "RS512"},
        {"use": "enc"},
        {"alg": "RSA-OAEP"},
        {"kid": "two"},
        {"n": "AQAB"},
        {"n": "!"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": 7},
    ],
)
async def test_key_that_does_not_fit_is_not_used(
    verifier: TokenVerifier, endpoint: Endpoint, changes: dict[str, Any]
) -> None:
    endpoint.keys = [published("RS256", **changes)]
    with pytest.raises(SignInRequired):
        await verifier.verify(issued())


async def test_one_broken_key_spoils_no_other(verifier: TokenVerifier, endpoint: Endpoint) -> None:
    broken: list[Any] = [{"kty": "RSA"}, {}, "text", None, published("RS256", e="!", kid="two")]
    endpoint.keys = [*broken, published("RS256")]
    assert (await verifier.verify(issued())).subject == "amina"


@pytest.mark.parametrize(
    "changes", [{"iss": "https://elsewhere.example"}, {"aud": "elsewhere"}, {"aud": ["a", "b"]}]
)
async def test_token_of_another_issuer_or_audience_is_refused(
    verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(SignInRequired):
        await verifier.verify(issued(**changes))


async def test_token_signed_with_the_public_key_as_secret_is_refused(
    verifier: TokenVerifier, endpoint: Endpoint
) -> None:
    await verifier.verify(issued())
    claims = jwt.decode(issued(), options={"verify_signature": False})
    secret = endpoint.keys[0]["n"]
    with pytest.raises(SignInRequired):
        await verifier.verify(jwt.encode(claims, secret, "HS256", headers={"kid": "one"}))


@pytest.mark.parametrize("kid", ["two", "x" * 5000])
async def test_unknown_key_ids_are_refused_without_more_fetches(
    verifier: TokenVerifier, endpoint: Endpoint, kid: str
) -> None:
    await verifier.verify(issued())
    for _ in range(5):
        with pytest.raises(SignInRequired):
            await verifier.verify(forged(kid))
    assert endpoint.fetches == 1


async def test_without_the_providers_keys_sign_in_is_unavailable(
    verifier: TokenVerifier, endpoint: Endpoint, clock: Clock
) -> None:
    endpoint.status = 500
    for _ in range(3):
        with pytest.raises(SignInUnavailable):
            await verifier.verify(issued())
    assert endpoint.fetches == 1
    endpoint.status = 200
    clock.now += PAUSE_S
    assert (await verifier.verify(issued())).subject == "amina"


async def test_forged_key_ids_delay_no_known_key(
    verifier: TokenVerifier, endpoint: Endpoint, clock: Clock
) -> None:
    await verifier.verify(issued())
    clock.now += PAUSE_S
    endpoint.answers.clear()  # the provider hangs while it is asked for the forged ids
    waiting = [asyncio.create_task(verifier.verify(forged(f"kid-{n}"))) for n in range(50)]
    while endpoint.fetches < 2:  # noqa: ASYNC110 the endpoint counts
        await asyncio.sleep(0)
    async with asyncio.timeout(0.5):
        for _ in range(20):
            assert (await verifier.verify(issued())).subject == "amina"
    assert not any(task.done() for task in waiting)
    endpoint.answers.set()
    refused = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in refused} == {SignInRequired}
    assert endpoint.fetches == 2


async def test_forged_token_waits_only_briefly_for_a_provider_that_hangs(
    verifier: TokenVerifier, endpoint: Endpoint, clock: Clock
) -> None:
    await verifier.verify(issued())
    clock.now += PAUSE_S
    endpoint.answers.clear()
    async with asyncio.timeout(4):
        with pytest.raises(SignInRequired):
            await verifier.verify(forged("two"))


async def test_old_keys_are_used_while_they_are_fetched_again(
    verifier: TokenVerifier, endpoint: Endpoint, clock: Clock
) -> None:
    await verifier.verify(issued())
    clock.now += MAX_AGE_S + 1
    endpoint.answers.clear()
    async with asyncio.timeout(0.5):
        assert (await verifier.verify(issued())).subject == "amina"
    while endpoint.fetches < 2:  # noqa: ASYNC110 the endpoint counts
        await asyncio.sleep(0)


@pytest.mark.parametrize("kid", ["two", None])
async def test_rotated_key_is_fetched(
    verifier: TokenVerifier, endpoint: Endpoint, clock: Clock, kid: str | None
) -> None:
    """Also if the new key replaces one without id, so that the old one seems to fit."""
    endpoint.keys = [published("RS256", kid=kid and "one")]
    await verifier.verify(issued(kid=kid and "one"))
    endpoint.keys = [published("RS256", OTHER_RSA, kid=kid)]
    clock.now += PAUSE_S
    assert (await verifier.verify(issued(kid=kid, key=OTHER_RSA))).subject == "amina"


async def test_key_id_that_was_forged_before_is_accepted_once_the_provider_has_it(
    verifier: TokenVerifier, endpoint: Endpoint, clock: Clock
) -> None:
    await verifier.verify(issued())
    clock.now += PAUSE_S
    with pytest.raises(SignInRequired):
        await verifier.verify(forged("two"))
    endpoint.keys = [published("RS256", OTHER_RSA, kid="two")]
    clock.now += UNKNOWN_S
    assert (await verifier.verify(issued(kid="two", key=OTHER_RSA))).subject == "amina"


async def test_key_of_a_sign_in_at_the_provider_is_fetched_without_a_pause(
    settings: Settings, verifier: TokenVerifier, endpoint: Endpoint
) -> None:
    settings.oidc_client_id = "bodh"
    await verifier.verify(issued())
    with pytest.raises(SignInRequired):
        await verifier.verify(forged("two"))
    endpoint.keys = [published("RS256", OTHER_RSA, kid="two")]
    payload, _ = await verifier.verify_id_token(issued(kid="two", key=OTHER_RSA))
    assert payload["sub"] == "amina"


def forged(kid: str) -> str:
    """Signed by a key that the provider does not have."""
    return issued(kid=kid, key=OTHER_RSA)
