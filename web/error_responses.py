"""The responses to errors. The only place that maps exceptions to HTTP statuses and codes."""

import logging
import sqlite3
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

import db
from db.storage import StorageUnavailable
from protocol import ProtocolError
from rooms import (
    ConsentRequired,
    GuardianConsentRequired,
    MediaUnavailable,
    RemovedFromSession,
)
from web.errors import AccountBlocked, RateExceeded, SignInRequired, SignInUnavailable

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """The body of every error response: a sentence to show and a code to branch on."""

    error: str
    code: str


class _ErrorAnswer(BaseModel):
    status: int
    code: str
    error: str = ""  # empty: use the message of the exception, which is written for users


_AWAY = _ErrorAnswer(
    status=503, code="unavailable", error="Bodh is not available right now. Try again."
)
# "not found" and "not yours" look the same
_ANSWERS: dict[type[Exception], _ErrorAnswer] = {
    SignInRequired: _ErrorAnswer(status=401, code="unauthorized", error="Unauthorized"),
    AccountBlocked: _ErrorAnswer(
        status=403, code="blocked", error="Your account is blocked. Ask your teacher."
    ),
    RemovedFromSession: _ErrorAnswer(
        status=403, code="removed", error="Your teacher has removed you from this session."
    ),
    db.Forbidden: _ErrorAnswer(status=403, code="forbidden"),
    db.NotFound: _ErrorAnswer(status=404, code="not_found", error="Not found"),
    db.Conflict: _ErrorAnswer(status=409, code="conflict"),
    ConsentRequired: _ErrorAnswer(
        status=409,
        code="consent_required",
        error="Read what Bodh does with what you say, and agree, before you join.",
    ),
    GuardianConsentRequired: _ErrorAnswer(
        status=403,
        code="guardian_consent_required",
        error="A parent or guardian has to agree before you join. Ask your teacher.",
    ),
    ProtocolError: _ErrorAnswer(status=422, code="invalid"),
    asyncpg.DataError: _ErrorAnswer(status=422, code="invalid", error="A value cannot be stored"),
    RateExceeded: _ErrorAnswer(
        status=429, code="rate_exceeded", error="Too many requests. Wait a minute."
    ),
    MediaUnavailable: _ErrorAnswer(
        status=503, code="livekit_token_failed", error="Video service unavailable. Try again."
    ),
    SignInUnavailable: _ErrorAnswer(
        status=503,
        code="sign_in_unavailable",
        error="Sign-in cannot be checked right now. Try again.",
    ),
    **dict.fromkeys((*db.AWAY, StorageUnavailable, sqlite3.Error), _AWAY),
}
_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "2"},
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "Not signed in",
        403: "Your role does not allow it, or your account is blocked",
        404: "Not found, or not yours",
        409: "Conflicts with what is stored",
        413: "The body is larger than 256 KiB",
        422: "The body, a parameter or an id is malformed",
        429: "Too many requests",
        503: "The media server, the database or the identity provider does not respond",
    }.items()
}


def register_error_handlers(app: FastAPI) -> None:
    for kind in _ANSWERS:
        app.add_exception_handler(kind, _answer_our_error)
    app.add_exception_handler(RequestValidationError, _answer_malformed_request)
    app.add_exception_handler(StarletteHTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_unexpected_error)


def problem_response(
    status: int, code: str, error: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(
        Problem(error=error, code=code).model_dump(),
        status_code=status,
        headers={"Cache-Control": "no-store", **_HEADERS.get(status, {}), **(headers or {})},
    )


async def _answer_our_error(_: Request, error: Exception) -> JSONResponse:
    answer = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    if answer.status >= 500:
        logger.warning("request failed", extra={"code": answer.code, "kind": type(error).__name__})
    return problem_response(answer.status, answer.code, answer.error or str(error))


async def _answer_malformed_request(_: Request, error: Exception) -> JSONResponse:
    """Names the fields, never their values."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 registered for it only
    fields = sorted({".".join(str(part) for part in e["loc"]) for e in error.errors()})
    return problem_response(422, "invalid", f"Wrong or missing fields: {', '.join(fields)}"[:500])


async def _answer_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 registered for it only
    status = 422 if error.status_code == 400 else error.status_code  # 400: not UTF-8
    headers = dict(error.headers) if error.headers else None
    return problem_response(status, _CODES.get(status, "invalid"), str(error.detail), headers)


async def _answer_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    """An unexpected exception. Logs the traceback and keeps it out of the response.

    Starlette sends this response around our middleware, so it sets their headers itself.
    """
    logger.error(
        "request failed",
        exc_info=error,
        extra={"route": getattr(request.scope.get("route"), "path", "")},
    )
    headers = request.app.state.security_headers
    return problem_response(500, "internal", "Something went wrong on our side", headers)
