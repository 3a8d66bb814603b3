"""Sign-in by name or token, sign-out. Owns /auth except /auth/oidc, and /api/me."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, StringConstraints

from db import NotFound, tenant_tx
from db.auth_sessions import ProviderSession, delete_auth_session, insert_auth_session
from db.roles import ROLE_NAMES
from protocol import Role
from settings import Settings
from web.auth import make_token
from web.camel import CamelModel
from web.claims import Claims
from web.cookies import (
    clear_session_cookie,
    new_session_key,
    read_session_cookie,
    set_session_cookie,
)
from web.dependencies import (
    AppContext,
    Caller,
    Running,
    SignedInAccount,
    bearer_token_of,
    rate_limited,
    upsert_account_of_claims,
)
from web.error_responses import PROBLEMS
from web.errors import SignInRequired
from web.origins import check_origin, safe_return_target

router = APIRouter(tags=["sign-in"], responses=PROBLEMS)


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_check_printable),
]
Address = Annotated[str, Query(max_length=2000)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class DevLogin(BaseModel):
    """Sign-in without a password, in development only. The same name is the same account."""

    name: Name
    role: Literal["learner", "teacher", "admin", "mentor", "mentee", "student"] = "learner"
    tenant: Slug = "default"


class SignedIn(BaseModel):
    """A bearer token, for requests without the cookie."""

    token: str


class SignInOptions(CamelModel):
    """`provider`: at the identity provider, by `/auth/oidc/start`. `by_name`: by name alone."""

    provider: bool
    by_name: bool
    return_to: str


class SignedOut(CamelModel):
    """`provider_url` is where the browser signs out of the identity provider too."""

    provider_url: str | None


class Me(CamelModel):
    """The signed-in account. `tenant` is a slug."""

    id: UUID
    name: str
    role: Role
    tenant: str


@router.get("/auth/options")
async def get_sign_in_options(
    request: Request,
    running: Running,
    return_to: Address = "",
    callback_url: Annotated[Address, Query(alias="callbackUrl")] = "",
) -> SignInOptions:
    """How people sign in here, and where the page goes afterwards.

    `return_to` and `callbackUrl` must be pages of ours or of RETURN_ORIGINS; others become `/`.
    """
    settings = running.settings
    return SignInOptions(
        provider=bool(settings.oidc_issuer),
        by_name=has_dev_login(settings),
        return_to=safe_return_target(
            settings, request.headers.get("host", ""), return_to or callback_url
        ),
    )


@router.post("/auth/dev-login")
async def dev_login(
    body: DevLogin, request: Request, response: Response, running: Running
) -> SignedIn:
    """Signs in by name and starts a session, in development only."""
    settings = running.settings
    if not has_dev_login(settings):
        raise NotFound("development sign-in")
    check_origin(request)
    now = running.clock()
    claims = Claims(
        subject=body.name,
        name=body.name,
        role=ROLE_NAMES[body.role],
        tenant=body.tenant,
        issued_at=now.replace(microsecond=0),  # like `iat` of a token
    )
    caller = await upsert_account_of_claims(running, claims)
    await start_auth_session(request, response, running, caller, ProviderSession())
    return SignedIn(token=make_token(settings, claims, now))


@router.post("/auth/sign-in", status_code=204, dependencies=[rate_limited("sign-in")])
async def sign_in(request: Request, response: Response, running: Running, caller: Caller) -> None:
    """Starts a session for the account of the request's bearer token."""
    if not bearer_token_of(request):
        raise SignInRequired  # a session must not prolong itself
    await start_auth_session(request, response, running, caller, ProviderSession())


@router.post("/auth/sign-out")
async def sign_out(request: Request, response: Response, running: Running) -> SignedOut:
    """Ends the session, if there is one, and removes the cookie."""
    check_origin(request)
    ended = await _end_auth_session(request, running)
    clear_session_cookie(response, running.settings)
    if ended is None or ended == ProviderSession():
        return SignedOut(provider_url=None)
    return SignedOut(provider_url=await running.provider.build_end_session_url(ended))


@router.get("/api/me")
async def get_me(caller: Caller) -> Me:
    """The signed-in account."""
    account = caller.account
    return Me(id=account.id, name=account.name, role=account.role, tenant=caller.tenant.slug)


async def start_auth_session(
    request: Request,
    response: Response,
    running: AppContext,
    caller: SignedInAccount,
    provider: ProviderSession,
) -> None:
    """Stores a new session and sets its cookie. Ends the browser's earlier session, if any."""
    await _end_auth_session(request, running)
    key = new_session_key(caller.tenant_id)
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        await insert_auth_session(
            db,
            caller.tenant_id,
            caller.account.id,
            key.key,
            running.clock(),
            provider=provider,
        )
    set_session_cookie(response, running.settings, key)


async def _end_auth_session(request: Request, running: AppContext) -> ProviderSession | None:
    key = read_session_cookie(request)
    if key is None:
        return None
    async with tenant_tx(running.pool, key.tenant_id) as db:
        return await delete_auth_session(db, key.tenant_id, key.key)


def has_dev_login(settings: Settings) -> bool:
    return settings.bodh_env == "development" and settings.dev_login
