"""The identity provider: its published addresses and keys, sign-in by code flow, sign-out."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError
from pydantic import BaseModel

from db.auth_sessions import ProviderSession
from settings import Settings
from web.auth import LEEWAY, TokenVerifier
from web.claims import Claims, parse_claims
from web.errors import SignInRequired, SignInUnavailable

CALLBACK = "/auth/oidc/callback"
TIMEOUT_S = 5.0
METADATA_AGE_S = 3600.0
RETRY_S = 5.0  # after a failure
MAX_HINT = 3000  # characters of an ID token that still fit into an address

logger = logging.getLogger(__name__)


class ProviderMetadata(BaseModel):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class Attempt(BaseModel):
    """A sign-in under way, kept in the browser: the secrets that its answer must match."""

    state: str
    nonce: str
    verifier: str
    return_to: str


def new_attempt(return_to: str) -> Attempt:
    state, nonce, verifier = generate_token(32), generate_token(32), generate_token(64)
    return Attempt(state=state, nonce=nonce, verifier=verifier, return_to=return_to)


class Provider:
    """The provider of OIDC_ISSUER, or only the keys of OIDC_JWKS_URL. The caller closes it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transport = httpx2.AsyncHTTPTransport()
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_S, transport=self._transport)
        self._metadata: ProviderMetadata | None = None
        self._fresh_until = 0.0  # monotonic time, also of a failure
        self._fetching = asyncio.Lock()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def fetch_keys(self) -> Mapping[str, Any]:
        """The provider's JWK set. Raises whatever the request raises."""
        address = self._settings.oidc_jwks_url or (await self.fetch_or_reuse_metadata()).jwks_uri
        answer = await self._http.get(address)
        answer.raise_for_status()
        keys: dict[str, Any] = answer.json()
        return keys

    async def fetch_or_reuse_metadata(self) -> ProviderMetadata:
        """Raises SignInUnavailable if the provider does not publish it as it must."""
        async with self._fetching:
            if time.monotonic() >= self._fresh_until:
                await self._refresh_metadata()
        if self._metadata is None:
            raise SignInUnavailable
        return self._metadata

    async def _refresh_metadata(self) -> None:
        """Keeps the old one if the provider does not respond."""
        try:
            self._metadata = await self._fetch_metadata()
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            logger.warning("provider not read", extra={"kind": type(error).__name__})
            self._fresh_until = time.monotonic() + RETRY_S
        else:
            self._fresh_until = time.monotonic() + METADATA_AGE_S

    async def _fetch_metadata(self) -> ProviderMetadata:
        """Raises ValueError for the document of another issuer or with insecure addresses."""
        issuer = self._settings.oidc_issuer
        async with asyncio.timeout(TIMEOUT_S):
            answer = await self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        answer.raise_for_status()
        metadata = ProviderMetadata.model_validate_json(answer.content)
        if metadata.issuer != issuer:
            raise ValueError("the document of another issuer")
        scheme = urlsplit(issuer).scheme
        for name, address in metadata.model_dump(exclude_none=True).items():
            if name.endswith(("_endpoint", "_uri")) and urlsplit(address).scheme != scheme:
                raise ValueError(f"{name} has another scheme than the issuer")
        return metadata

    async def build_authorization_url(self, attempt: Attempt) -> str:
        """Where the browser signs in. Raises SignInUnavailable."""
        metadata = await self.fetch_or_reuse_metadata()
        url, _ = self._make_client(metadata).create_authorization_url(
            metadata.authorization_endpoint,
            state=attempt.state,
            nonce=attempt.nonce,
            code_verifier=attempt.verifier,
        )
        return str(url)

    async def redeem_code(
        self, verifier: TokenVerifier, attempt: Attempt, code: str
    ) -> tuple[Claims, ProviderSession]:
        """Exchanges the code of a finished sign-in for the claims about the person.

        Raises SignInRequired if the provider or a check refuses it, SignInUnavailable if the
        provider does not respond.
        """
        metadata = await self.fetch_or_reuse_metadata()
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                client = self._make_client(metadata)
                token = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.verifier,
                )
                id_token = str(token.get("id_token", ""))
                payload = await self._check_id_token(verifier, attempt, id_token, token)
                more = await self._fetch_userinfo(client, metadata, payload["sub"])
        except (OAuthError, JoseError) as error:
            raise SignInRequired from error
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            raise SignInUnavailable from error
        session = ProviderSession(
            sid=str(payload.get("sid") or payload["sub"]),
            id_token=id_token if len(id_token) <= MAX_HINT else None,
        )
        return parse_claims(self._settings, {**more, **payload}), session

    async def _check_id_token(
        self, verifier: TokenVerifier, attempt: Attempt, id_token: str, token: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Its claims. Raises SignInRequired, JoseError if it was not issued for this attempt."""
        payload, header = await verifier.verify_id_token(id_token)
        expected = {
            "client_id": self._settings.oidc_client_id,
            "nonce": attempt.nonce,
            "access_token": token.get("access_token"),
        }
        CodeIDToken(payload, header, params=expected).validate(leeway=LEEWAY.total_seconds())
        return payload

    async def _fetch_userinfo(
        self, client: AsyncOAuth2Client, metadata: ProviderMetadata, subject: str
    ) -> dict[str, Any]:
        """Claims that are not in the ID token. Raises SignInRequired for those of someone else."""
        if metadata.userinfo_endpoint is None:
            return {}
        answer = await client.get(metadata.userinfo_endpoint)
        answer.raise_for_status()
        claims: dict[str, Any] = answer.json()
        if claims.get("sub") != subject:
            raise SignInRequired
        return claims

    async def build_end_session_url(self, session: ProviderSession) -> str | None:
        """Where the browser ends its session at the provider. None if that is not possible."""
        try:
            endpoint = (await self.fetch_or_reuse_metadata()).end_session_endpoint
        except SignInUnavailable:
            return None
        if endpoint is None:
            return None
        query = {
            "client_id": self._settings.oidc_client_id,
            "post_logout_redirect_uri": f"{own_address(self._settings)}/auth/signin",
        }
        # without the ID token, the provider may ask whether to sign out
        if session.id_token:
            query["id_token_hint"] = session.id_token
        elif session.sid:
            query["logout_hint"] = session.sid
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def _make_client(self, metadata: ProviderMetadata) -> AsyncOAuth2Client:
        """A client for one sign-in; it shares our connections, so there is nothing to close."""
        settings = self._settings
        secret = settings.oidc_client_secret.get_secret_value()
        methods = metadata.token_endpoint_auth_methods_supported
        basic = "client_secret_basic" in methods
        with_secret = "client_secret_basic" if basic else "client_secret_post"
        return AsyncOAuth2Client(
            client_id=settings.oidc_client_id,
            client_secret=secret or None,
            token_endpoint_auth_method=with_secret if secret else "none",
            scope=settings.oidc_scopes,
            redirect_uri=own_address(settings) + CALLBACK,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
            transport=self._transport,
        )


def own_address(settings: Settings) -> str:
    return settings.public_url.rstrip("/")
