"""Dependencies of routes: the running application, the signed-in account, the rate limit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from livekit import api

from db import Forbidden, Pool, acquire, tenant_tx
from db.accounts import Account, upsert_signed_in_account
from db.auth_sessions import find_account_and_touch_session
from db.local_inbox import LocalInbox
from db.rate_limits import count_request
from db.storage import Storage
from db.tenants import Tenant, ensure_tenant, find_tenant, find_tenant_by_id, list_tenants
from settings import Settings
from web.auth import TokenVerifier
from web.claims import Claims
from web.cookies import SESSION, read_session_cookie
from web.errors import AccountBlocked, RateExceeded, SignInRequired
from web.oidc import Provider
from web.origins import check_origin


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class AppContext:
    """The resources of the running application, opened and closed by `web.app`."""

    settings: Settings
    pool: Pool
    lk: api.LiveKitAPI
    verifier: TokenVerifier
    provider: Provider
    inbox: LocalInbox
    storage: Storage
    clock: Callable[[], datetime] = utc_now
    tenants: dict[str, Tenant] = field(default_factory=dict)  # by slug; a tenant never changes


@dataclass(frozen=True)
class SignedInAccount:
    account: Account
    tenant: Tenant

    @property
    def tenant_id(self) -> UUID:
        return self.tenant.id


def context_of(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


Running = Annotated[AppContext, Depends(context_of)]

# declared only for the OpenAPI document
_bearer = HTTPBearer(auto_error=False, description="A sign-in JWT")
_cookie = APIKeyCookie(
    name=SESSION, auto_error=False, description="Set at sign-in; over https: `__Host-` before it"
)


async def authenticate_request(
    request: Request,
    running: Running,
    _by_bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _by_cookie: Annotated[str | None, Depends(_cookie)],
) -> SignedInAccount:
    """The account of the request's bearer token, or else of the session in its cookie.

    Raises SignInRequired, SignInUnavailable, AccountBlocked, Forbidden.
    """
    if token := bearer_token_of(request):
        return await upsert_account_of_claims(running, await running.verifier.verify(token))
    caller = await authenticate_session_cookie(request, running)
    check_origin(request)
    return caller


Caller = Annotated[SignedInAccount, Depends(authenticate_request)]

# requests per minute and account, for routes that write or search; a person needs a few of them
LIMITS = {
    "lesson": 60,
    "settings": 120,
    "erase": 20,
    "transcripts": 120,
    "progress": 120,
    "export": 3,
    "sign-in": 20,
    "restrictions": 60,
}


def rate_limited(name: str) -> Any:
    """A dependency that counts a request against LIMITS. It raises RateExceeded."""

    async def count_limited_request(running: Running, caller: Caller) -> None:
        await _count_request(running, caller, name, LIMITS[name])

    return Depends(count_limited_request)


def bearer_token_of(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def upsert_account_of_claims(running: AppContext, claims: Claims) -> SignedInAccount:
    """The account of verified claims, created at its first sign-in.

    Raises Forbidden without a tenant, AccountBlocked.
    """
    tenant = await _find_or_create_tenant(running, claims.tenant)
    async with tenant_tx(running.pool, tenant.id) as db:
        account = await upsert_signed_in_account(
            db,
            tenant.id,
            subject=claims.subject,
            name=claims.name,
            role=claims.role,
            email=claims.email,
            issued_at=claims.issued_at,
        )
    if account.blocked_at is not None:
        raise AccountBlocked
    return SignedInAccount(account, tenant)


async def authenticate_session_cookie(request: Request, running: AppContext) -> SignedInAccount:
    """Raises SignInRequired without a session that is still open, AccountBlocked."""
    session = read_session_cookie(request)
    if session is None:
        raise SignInRequired
    async with tenant_tx(running.pool, session.tenant_id) as db:
        tenant = await find_tenant_by_id(db, session.tenant_id)
        account = await find_account_and_touch_session(
            db, session.tenant_id, session.key, running.clock()
        )
    if tenant is None or account is None:
        raise SignInRequired
    if account.blocked_at is not None:
        raise AccountBlocked
    return SignedInAccount(account, tenant)


async def _find_or_create_tenant(running: AppContext, slug: str | None) -> Tenant:
    """The tenant of a sign-in, created in development if missing. Raises Forbidden."""
    if slug is None:
        return await _select_only_tenant(running)
    tenant = running.tenants.get(slug)
    if tenant is None:
        async with acquire(running.pool) as db:
            if running.settings.bodh_env == "development":
                tenant = await ensure_tenant(db, slug, slug)
            else:
                tenant = await find_tenant(db, slug)
        if tenant is None:
            raise Forbidden("Your sign-in is for a tenant that this server does not have")
        running.tenants[slug] = tenant
    return tenant


async def _select_only_tenant(running: AppContext) -> Tenant:
    """For a sign-in without a tenant. Raises Forbidden if there are several to choose from."""
    async with acquire(running.pool) as db:
        tenants = await list_tenants(db)
    if len(tenants) != 1:
        raise Forbidden("Your sign-in names no tenant. Ask the person who runs this server.")
    return tenants[0]


async def count_token_request(running: Running, caller: Caller) -> None:
    """Counts one join token against the account's rate. Raises RateExceeded."""
    await _count_request(running, caller, "token", running.settings.rate_token_per_minute)


async def _count_request(
    running: AppContext, caller: SignedInAccount, name: str, limit: int
) -> None:
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        granted = await count_request(
            db, caller.tenant_id, caller.account.id, name, limit, running.clock()
        )
    if not granted:
        raise RateExceeded
