"""Sign-in tokens: creating and verifying them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from settings import Settings
from web.claims import DEFAULT_TENANT_CLAIM, Claims, parse_claims
from web.errors import SignInRequired
from web.keys import PAUSE_S, ProviderKeys

TOKEN_LIFE = timedelta(days=7)
LEEWAY = timedelta(seconds=60)  # difference between the provider's clock and ours
TYPES = ("JWT", "AT+JWT", "APPLICATION/AT+JWT")  # not those of sign-out messages


def make_token(settings: Settings, claims: Claims, now: datetime) -> str:
    payload = {
        "iss": settings.auth_issuer,
        "aud": settings.auth_audience,
        "sub": claims.subject,
        "name": claims.name,
        settings.auth_tenant_claim or DEFAULT_TENANT_CLAIM: claims.tenant,
        settings.auth_roles_claim: [claims.role],
        "iat": now,
        "exp": now + TOKEN_LIFE,
    }
    return jwt.encode(payload, settings.auth_secret.get_secret_value(), algorithm="HS256")


class TokenVerifier:
    """Verifies tokens with our own key or the identity provider's keys."""

    def __init__(self, settings: Settings, keys: ProviderKeys) -> None:
        self._settings = settings
        self._keys = keys

    async def verify(self, token: str) -> Claims:
        """Checks a bearer token's signature, expiry, issuer and audience. Returns its claims.

        Raises SignInRequired, or SignInUnavailable if the provider's keys cannot be fetched.
        """
        audience = self._settings.auth_audience
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") == "HS256":
                payload = self._verify_own(token, audience)
            else:
                payload = await self._verify_provided(token, header, audience)
            return parse_claims(self._settings, payload)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise SignInRequired from error

    async def verify_id_token(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The claims and the header of an ID token that the provider has just issued to us.

        Raises like `verify`. A new key is fetched at once: nobody else can cause this fetch.
        """
        try:
            header = jwt.get_unverified_header(token)
            audience = self._settings.oidc_client_id
            return await self._verify_provided(token, header, audience, pause_s=0.0), header
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise SignInRequired from error

    def _verify_own(self, token: str, audience: str) -> dict[str, Any]:
        """With our own key, which counts in production only if there is no provider."""
        settings = self._settings
        secret = settings.auth_secret.get_secret_value()
        if not secret or (settings.has_provider_keys and settings.bodh_env == "production"):
            raise SignInRequired
        return self._decode_and_check(token, secret, ["HS256"], audience, settings.auth_issuer)

    async def _verify_provided(
        self, token: str, header: Mapping[str, Any], audience: str, *, pause_s: float = PAUSE_S
    ) -> dict[str, Any]:
        if not self._settings.has_provider_keys:
            raise SignInRequired
        payload = self._verify_with_known_keys(token, header, audience)
        if payload is None:  # signed by a key that we do not know yet, or forged
            await self._keys.wait_for_key(header, pause_s=pause_s)
            payload = self._verify_with_known_keys(token, header, audience)
        if payload is None:
            raise SignInRequired
        return payload

    def _verify_with_known_keys(
        self, token: str, header: Mapping[str, Any], audience: str
    ) -> dict[str, Any] | None:
        """The payload, or None if no cached key signed the token. Raises PyJWTError."""
        issuer = self._settings.provider_issuer
        for key in self._keys.list_matching_or_start_fetch(header):
            try:
                return self._decode_and_check(token, key, [header["alg"]], audience, issuer)
            except jwt.InvalidSignatureError:
                continue
        return None

    def _decode_and_check(
        self, token: str, key: jwt.PyJWK | str, algorithms: list[str], audience: str, issuer: str
    ) -> dict[str, Any]:
        """The token can choose one of the algorithms but not add another."""
        decoded = jwt.decode_complete(
            token,
            key,
            algorithms=algorithms,
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "aud", "iss", "sub"]},
        )
        if str(decoded["header"].get("typ", "JWT")).upper() not in TYPES:
            raise SignInRequired
        payload: dict[str, Any] = decoded["payload"]
        return payload
