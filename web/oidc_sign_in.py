"""Sign-in through the identity provider: two redirects of the browser. Owns /auth/oidc."""

import logging
import secrets
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from db import AWAY, Forbidden, NotFound
from web.cookies import clear_attempt_cookie, read_attempt_cookie, set_attempt_cookie
from web.dependencies import AppContext, Running, upsert_account_of_claims
from web.errors import AccountBlocked, SignInRequired, SignInUnavailable
from web.oidc import CALLBACK, Attempt, new_attempt
from web.origins import safe_return_target
from web.sign_in import Address, start_auth_session

Trouble = Literal["denied", "expired", "failed", "no_access", "blocked", "unavailable"]
Answer = Annotated[str, Query(max_length=4000)]

router = APIRouter(include_in_schema=False)
logger = logging.getLogger(__name__)


@router.get("/auth/oidc/start")
async def start_provider_sign_in(
    request: Request,
    running: Running,
    return_to: Address = "",
    callback_url: Annotated[Address, Query(alias="callbackUrl")] = "",
) -> RedirectResponse:
    """Sends the browser to the provider. Raises NotFound without one."""
    settings = running.settings
    if not settings.oidc_issuer:
        raise NotFound("identity provider")
    host = request.headers.get("host", "")
    attempt = new_attempt(safe_return_target(settings, host, return_to or callback_url))
    try:
        url = await running.provider.build_authorization_url(attempt)
    except SignInUnavailable:
        return _redirect_to_sign_in_page("unavailable", attempt.return_to)
    response = _redirect(url)
    set_attempt_cookie(response, settings, attempt)
    return response


@router.get(CALLBACK)
async def finish_provider_sign_in(
    request: Request,
    running: Running,
    state: Answer = "",
    code: Answer = "",
    error: Answer = "",
    iss: Answer = "",
) -> RedirectResponse:
    """The provider sends the browser back here. Starts a session, or says why not."""
    attempt = read_attempt_cookie(request, state)
    if attempt is None:
        return _redirect_to_sign_in_page("expired", "")
    if error or not _is_from_our_provider(running, iss):
        logger.info("sign-in not finished", extra={"kind": "denied"})
        response = _redirect_to_sign_in_page(
            "denied" if error == "access_denied" else "failed", attempt.return_to
        )
    else:
        response = await _finish_sign_in(request, running, attempt, code)
    clear_attempt_cookie(response, running.settings, state)
    return response


def _is_from_our_provider(running: AppContext, iss: str) -> bool:
    """Whether our provider sent the answer; not all providers say it."""
    return not iss or secrets.compare_digest(iss.encode(), running.settings.oidc_issuer.encode())


async def _finish_sign_in(
    request: Request, running: AppContext, attempt: Attempt, code: str
) -> RedirectResponse:
    try:
        claims, session = await running.provider.redeem_code(running.verifier, attempt, code)
        caller = await upsert_account_of_claims(running, claims)
        host = request.headers.get("host", "")
        response = _redirect(safe_return_target(running.settings, host, attempt.return_to))
        await start_auth_session(request, response, running, caller, session)
    except (SignInRequired, SignInUnavailable, AccountBlocked, Forbidden, *AWAY) as failure:
        logger.info("sign-in not finished", extra={"kind": type(failure).__name__})
        return _redirect_to_sign_in_page(_name_trouble(failure), attempt.return_to)
    return response


def _name_trouble(failure: BaseException) -> Trouble:
    match failure:
        case AccountBlocked():
            return "blocked"
        case Forbidden():
            return "no_access"
        case SignInRequired():
            return "failed"
        case _:
            return "unavailable"


def _redirect_to_sign_in_page(trouble: Trouble, return_to: str) -> RedirectResponse:
    """Back to the sign-in page, which shows what went wrong."""
    query = {"trouble": trouble} | ({"return_to": return_to} if return_to else {})
    return _redirect(f"/auth/signin?{urlencode(query)}")


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)
