"""Dependencies of routes: the running application, the signed-in account, the rate limit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from livekit import api

from db import Forbidden, Pool, acquire, tenant_tx
from db.accounts import Account, ensure_account
from db.local_inbox import LocalInbox
from db.rate_limits import count_request
from db.storage import Storage
from db.tenants import Tenant, ensure_tenant, find_tenant
from settings import Settings
from web.auth import COOKIE, Claims, TokenVerifier, token_of
from web.errors import RateExceeded


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class AppContext:
    """The resources of the running application, opened and closed by `web.app`."""

    settings: Settings
    pool: Pool
    lk: api.LiveKitAPI
    verifier: TokenVerifier
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

# declared only for the OpenAPI document: token_of reads the bearer token and the cookie
_bearer = HTTPBearer(auto_error=False, description="A sign-in JWT")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="The same JWT, set at sign-in")


async def signed_in(
    request: Request,
    running: Running,
    _by_bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _by_cookie: Annotated[str | None, Depends(_cookie)],
) -> SignedInAccount:
    """The account of the request, created on its first valid token.

    Raises SignInRequired, SignInUnavailable, Forbidden.
    """
    claims = await running.verifier.verify(token_of(request))
    tenant = await _tenant_of_claims(running, claims)
    async with tenant_tx(running.pool, tenant.id) as db:
        account = await ensure_account(
            db, tenant.id, subject=claims.subject, name=claims.name, role=claims.role
        )
    return SignedInAccount(account, tenant)


Caller = Annotated[SignedInAccount, Depends(signed_in)]


async def _tenant_of_claims(running: AppContext, claims: Claims) -> Tenant:
    """The tenant of the token, created in development if missing. Raises Forbidden."""
    tenant = running.tenants.get(claims.tenant)
    if tenant is None:
        async with acquire(running.pool) as db:
            if running.settings.bodh_env == "development":
                tenant = await ensure_tenant(db, claims.tenant, claims.tenant)
            else:
                tenant = await find_tenant(db, claims.tenant)
        if tenant is None:
            raise Forbidden("Your sign-in is for a tenant that this server does not have")
        running.tenants[claims.tenant] = tenant
    return tenant


async def count_token_request(running: Running, caller: Caller) -> None:
    """Counts one join token against the account's rate. Raises RateExceeded."""
    limit = running.settings.rate_token_per_minute
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        granted = await count_request(
            db, caller.tenant_id, caller.account.id, "token", limit, running.clock()
        )
    if not granted:
        raise RateExceeded
