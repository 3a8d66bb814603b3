"""The cookies of sign-in: a session's random key, and the secrets of a sign-in under way."""

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypedDict
from uuid import UUID

from fastapi import Request, Response

from db.auth_sessions import LIFE
from settings import Settings
from web.oidc import Attempt

SESSION = "bodh_session"
ATTEMPT = "bodh_sign_in_"  # and the start of its state: several tabs may sign in at once
ATTEMPT_LIFE = timedelta(minutes=15)
KEY_BYTES = 32


@dataclass(frozen=True)
class SessionKey:
    """What the browser holds of a session. The tenant only says where to look for the key."""

    tenant_id: UUID
    key: bytes

    def text(self) -> str:
        return base64.urlsafe_b64encode(self.tenant_id.bytes + self.key).decode()


def new_session_key(tenant_id: UUID) -> SessionKey:
    return SessionKey(tenant_id, secrets.token_bytes(KEY_BYTES))


def set_session_cookie(response: Response, settings: Settings, key: SessionKey) -> None:
    response.set_cookie(
        _cookie_name(settings, SESSION),
        key.text(),
        max_age=int(LIFE.total_seconds()),
        **_cookie_rules(settings),
    )


def read_session_cookie(request: Request) -> SessionKey | None:
    """None without a cookie that we can have set."""
    settings: Settings = request.app.state.settings
    try:
        raw = base64.b64decode(
            request.cookies.get(_cookie_name(settings, SESSION), ""), altchars=b"-_", validate=True
        )
    except ValueError:
        return None
    if len(raw) != 16 + KEY_BYTES:
        return None
    return SessionKey(UUID(bytes=raw[:16]), raw[16:])


def clear_session_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(_cookie_name(settings, SESSION), **_cookie_rules(settings))


def set_attempt_cookie(response: Response, settings: Settings, attempt: Attempt) -> None:
    text = base64.urlsafe_b64encode(attempt.model_dump_json().encode()).decode()
    response.set_cookie(
        _attempt_cookie_name(settings, attempt.state),
        text,
        max_age=int(ATTEMPT_LIFE.total_seconds()),
        **_cookie_rules(settings),
    )


def read_attempt_cookie(request: Request, state: str) -> Attempt | None:
    settings: Settings = request.app.state.settings
    text = request.cookies.get(_attempt_cookie_name(settings, state), "")
    try:
        attempt = Attempt.model_validate_json(base64.urlsafe_b64decode(text))
    except ValueError:
        return None
    return attempt if secrets.compare_digest(attempt.state.encode(), state.encode()) else None


def clear_attempt_cookie(response: Response, settings: Settings, state: str) -> None:
    response.delete_cookie(_attempt_cookie_name(settings, state), **_cookie_rules(settings))


class _CookieRules(TypedDict):
    path: str
    httponly: bool
    samesite: Literal["lax"]
    secure: bool


def _cookie_rules(settings: Settings) -> _CookieRules:
    return _CookieRules(path="/", httponly=True, samesite="lax", secure=_is_https(settings))


def _is_https(settings: Settings) -> bool:
    return settings.public_url.startswith("https:")


def _cookie_name(settings: Settings, name: str) -> str:
    """With the prefix by which browsers accept it only from this host, over https."""
    return f"__Host-{name}" if _is_https(settings) else name


def _attempt_cookie_name(settings: Settings, state: str) -> str:
    return _cookie_name(settings, ATTEMPT + "".join(c for c in state if c.isalnum())[:16])
