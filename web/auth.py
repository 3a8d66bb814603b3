"""Sign-in tokens: creating and verifying them, the cookie that holds one, and CSRF."""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
from fastapi import Request, Response

from db import Forbidden
from db.roles import strongest_role
from protocol import Role
from settings import Settings
from web.errors import SignInRequired, SignInUnavailable

COOKIE = "bodh_sign_in"
SIGN_IN_LIFE = timedelta(days=7)
DEFAULT_TENANT = "default"
LEEWAY = timedelta(seconds=5)  # difference between the provider's clock and ours
JWKS_MAX_AGE_S = 600
JWKS_PAUSE_S = 10  # between two fetches for an unknown key id
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Claims:
    subject: str
    name: str
    role: Role
    tenant: str


def make_token(settings: Settings, claims: Claims, now: datetime) -> str:
    payload = {
        "iss": settings.auth_issuer,
        "aud": settings.auth_audience,
        "sub": claims.subject,
        "name": claims.name,
        "tenant": claims.tenant,
        "roles": [claims.role],
        "iat": now,
        "exp": now + SIGN_IN_LIFE,
    }
    return jwt.encode(payload, settings.auth_secret.get_secret_value(), algorithm="HS256")


class TokenVerifier:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx2.AsyncClient(timeout=5, follow_redirects=False)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def verify(self, token: str) -> Claims:
        """Checks signature, expiry, issuer and audience, and returns the claims.

        Raises SignInRequired, or SignInUnavailable if the provider's keys cannot be fetched.
        """
        try:
            header = jwt.get_unverified_header(token)
            key, algorithms = await self._choose_key(header)
            payload = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=self._settings.auth_audience,
                issuer=self._settings.auth_issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise SignInRequired from error
        return _parse_claims(payload)

    async def _choose_key(self, header: dict[str, Any]) -> tuple[jwt.PyJWK | str, list[str]]:
        """The key and its algorithms. The token can choose one of them but not add another."""
        settings = self._settings
        secret = settings.auth_secret.get_secret_value()
        own_allowed = not settings.oidc_jwks_url or settings.bodh_env == "development"
        if header.get("alg") == "HS256" and secret and own_allowed:
            return secret, ["HS256"]
        if settings.oidc_jwks_url and header.get("alg") in ASYMMETRIC:
            key = await self._published_key(str(header.get("kid", "")))
            return key, [key.algorithm_name]
        raise SignInRequired

    async def _published_key(self, kid: str) -> jwt.PyJWK:
        async with self._lock:
            if self._is_key_set_stale(kid):
                await self._fetch_keys()
        if kid in self._keys:
            return self._keys[kid]
        if self._fetched_at is None:
            raise SignInUnavailable
        raise SignInRequired

    def _is_key_set_stale(self, kid: str) -> bool:
        now = time.monotonic()
        if self._tried_at is not None and now - self._tried_at < JWKS_PAUSE_S:
            return False
        if self._fetched_at is None or kid not in self._keys:
            return True
        return now - self._fetched_at > JWKS_MAX_AGE_S

    async def _fetch_keys(self) -> None:
        """Replaces the cached keys, or keeps them if the provider does not respond."""
        self._tried_at = time.monotonic()
        try:
            answer = await self._client.get(self._settings.oidc_jwks_url)
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(json.loads(answer.content)).keys
        except (httpx2.HTTPError, jwt.PyJWTError, ValueError, AttributeError, TypeError):
            return
        self._keys = {key.key_id or "": key for key in keys if key.algorithm_name in ASYMMETRIC}
        self._fetched_at = self._tried_at


def _parse_claims(payload: dict[str, Any]) -> Claims:
    """Raises SignInRequired if a claim is not valid for an account."""
    subject, tenant = payload["sub"], payload.get("tenant") or DEFAULT_TENANT
    name = payload.get("name") or "User"
    roles = payload.get("roles") or []
    if not (
        isinstance(roles, list) and all(_is_storable(text) for text in (subject, tenant, name))
    ):
        raise SignInRequired
    return Claims(subject=subject, name=name, role=strongest_role(roles), tenant=tenant)


def _is_storable(text: object) -> bool:
    """Whether it can be stored: 1 to 255 printable characters."""
    return isinstance(text, str) and 0 < len(text) <= 255 and text.isprintable()


def token_of(request: Request) -> str:
    """The bearer token of the request, or else the one in the cookie.

    Raises SignInRequired if there is neither. Raises Forbidden for a write with the cookie that
    may come from another site.
    """
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise SignInRequired
    check_origin(request)
    return cookie


def check_origin(request: Request) -> None:
    """Raises Forbidden for a write from a page of another origin.

    Browsers send the origin with every write, so a write without one is not from a browser.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if origin is None and site in ("same-origin", "none"):
        return
    settings: Settings = request.app.state.settings
    if origin not in own_origins(settings, request.headers.get("host", "")):
        raise Forbidden("The request came from another site")


def own_origins(settings: Settings, host: str) -> set[str]:
    """The origins that serve our pages; in development, any loopback origin too."""
    parts = urlsplit(settings.public_url)
    origins = {f"{parts.scheme}://{parts.netloc}"}
    if settings.bodh_env == "development" and LOOPBACK_HOST.fullmatch(host):
        origins.add(f"http://{host}")
    return origins


def set_sign_in_cookie(response: Response, settings: Settings, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SIGN_IN_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.public_url.startswith("https:"),
    )


def clear_sign_in_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
