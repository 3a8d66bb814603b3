"""Bodies as the media server sends them, with its signature and with forged ones."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from settings import Settings

PATH = "/api/webhooks/livekit"
CONTENT_TYPE = "application/webhook+json"


def body_of(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode()


def event_fields(
    number: int, name: str, second: int, room: Mapping[str, Any], person: Mapping[str, Any] | None
) -> dict[str, Any]:
    """An event, created at `second` (Unix time)."""
    event = {"id": f"EV_{number}", "event": name, "createdAt": str(second), "room": dict(room)}
    return event | ({"participant": dict(person)} if person else {})


def signature(
    settings: Settings, body: bytes, *, now: datetime | None = None, **changes: Any
) -> str:
    """The token that signs a body; `changes` replace its claims, None removes one."""
    now = now or datetime.now(UTC)
    claims = {
        "iss": settings.livekit_api_key,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, settings.livekit_api_secret.get_secret_value(), algorithm="HS256")


def headers(token: str, content_type: str = CONTENT_TYPE) -> dict[str, str]:
    return {"Authorization": token, "Content-Type": content_type}
