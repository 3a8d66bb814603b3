"""Sign-in and sign-out. Owns /auth and /api/me."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, StringConstraints

from db import NotFound
from db.roles import ROLE_NAMES
from protocol import Role
from web.auth import (
    Claims,
    check_origin,
    clear_sign_in_cookie,
    make_token,
    set_sign_in_cookie,
    token_of,
)
from web.camel import CamelModel
from web.dependencies import Caller, Running
from web.error_responses import PROBLEMS

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
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class DevLogin(BaseModel):
    """Sign-in without a password, in development only. The same name is the same account."""

    name: Name
    role: Literal["learner", "teacher", "admin", "mentor", "mentee", "student"] = "learner"
    tenant: Slug = "default"


class SignedIn(BaseModel):
    """A bearer token, also set as a cookie."""

    token: str


class Me(CamelModel):
    """The signed-in account. `tenant` is a slug."""

    id: UUID
    name: str
    role: Role
    tenant: str


@router.post("/auth/dev-login")
async def dev_login(
    body: DevLogin, request: Request, response: Response, running: Running
) -> SignedIn:
    """Signs in by name and sets the cookie, in development only."""
    settings = running.settings
    if settings.bodh_env != "development" or not settings.dev_login:
        raise NotFound("development sign-in")
    check_origin(request)
    claims = Claims(
        subject=body.name, name=body.name, role=ROLE_NAMES[body.role], tenant=body.tenant
    )
    token = make_token(settings, claims, running.clock())
    set_sign_in_cookie(response, settings, token)
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(token=token)


@router.post("/auth/sign-in", status_code=204)
async def sign_in(request: Request, response: Response, running: Running, _: Caller) -> None:
    """Sets the request's bearer token as a cookie."""
    set_sign_in_cookie(response, running.settings, token_of(request))
    response.headers["Cache-Control"] = "no-store"


@router.post("/auth/sign-out", status_code=204)
async def sign_out(request: Request, response: Response) -> None:
    """Removes the cookie, if there is one."""
    check_origin(request)
    clear_sign_in_cookie(response)
    response.headers["Cache-Control"] = "no-store"


@router.get("/api/me")
async def me(caller: Caller) -> Me:
    """The signed-in account."""
    account = caller.account
    return Me(id=account.id, name=account.name, role=account.role, tenant=caller.tenant.slug)
