"""Sign-in routes. Owns /auth and /api/me."""

from fastapi import APIRouter, Request, Response

from db import NotFound
from db.roles import ROLE_NAMES
from web.auth import (
    Claims,
    check_origin,
    clear_cookie,
    make_token,
    set_cookie,
    token_of,
)
from web.context import Caller, Running
from web.errors import PROBLEMS
from web.models import DevLogin, Me, SignedIn

router = APIRouter(tags=["sign-in"], responses=PROBLEMS)


@router.post("/auth/dev-login")
async def dev_login(
    body: DevLogin, request: Request, response: Response, running: Running
) -> SignedIn:
    """Signs in by name alone, in development only, and sets the cookie."""
    settings = running.settings
    if settings.bodh_env != "development" or not settings.dev_login:
        raise NotFound("development sign-in")
    check_origin(request)
    claims = Claims(
        subject=body.name, name=body.name, role=ROLE_NAMES[body.role], tenant=body.tenant
    )
    token = make_token(settings, claims, running.clock())
    set_cookie(response, settings, token)
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(token=token)


@router.post("/auth/sign-in", status_code=204)
async def sign_in(request: Request, response: Response, running: Running, _: Caller) -> None:
    """Keeps the bearer token of this request in the browser's cookie."""
    set_cookie(response, running.settings, token_of(request))
    response.headers["Cache-Control"] = "no-store"


@router.post("/auth/sign-out", status_code=204)
async def sign_out(request: Request, response: Response) -> None:
    """Removes the cookie; without one nothing happens."""
    check_origin(request)
    clear_cookie(response)
    response.headers["Cache-Control"] = "no-store"


@router.get("/api/me")
async def me(caller: Caller) -> Me:
    """The signed-in account."""
    account = caller.account
    return Me(id=account.id, name=account.name, role=account.role, tenant=caller.tenant.slug)
