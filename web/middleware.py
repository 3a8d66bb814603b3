"""Middleware: the limit on request bodies, the security headers, the access log."""

import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from settings import Settings
from telemetry import metrics
from web.error_responses import problem_response

MAX_BODY_BYTES = 256 * 1024
TOO_LARGE = "The request body is larger than 256 KiB"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNLOGGED = ("/healthz", "/readyz")  # counted, but not logged
HSTS = "max-age=31536000"  # a year, by which browsers refuse to come without https
PRIVATE = ("/api/", "/auth/")  # responses that no cache may keep, unless the route says so

logger = logging.getLogger("web.access")


class BodyLimit:
    """Rejects a body above MAX_BODY_BYTES with 413, as soon as its length is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > MAX_BODY_BYTES:
            await problem_response(413, "too_large", TOO_LARGE)(scope, receive, send)
            return
        size = 0

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self._app(scope, receive_counted, send)


def security_headers(settings: Settings) -> dict[str, str]:
    """Allows only our own scripts and styles, and connections to us and the media server."""
    media = urlsplit(settings.livekit_client_url)
    secure = media.scheme in ("wss", "https")
    schemes = ("wss", "https") if secure else ("ws", "http")
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "font-src": "'self'",
        "img-src": "'self' data:",
        "media-src": "'self' blob: mediastream:",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "connect-src": " ".join(["'self'", *(f"{s}://{media.netloc}" for s in schemes)]),
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    production = settings.bodh_env == "production"
    return {
        **({"Strict-Transport-Security": HSTS} if production else {}),
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(self), geolocation=()",
    }


class SecurityHeaders:
    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(PRIVATE):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class RequestLog:
    """Counts and logs requests by route template; never logs a path or query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 500  # if the application raises before it responds

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            if scope["type"] == "http":
                _log_request(scope, status, time.perf_counter() - began)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "/*")  # an unknown path can contain anything
    known = scope["method"] if scope["method"] in METHODS else "OTHER"
    metrics.HTTP_REQUESTS.inc(method=known, route=route, status=str(status))
    metrics.HTTP_SECONDS.observe(seconds, route=route)
    if route not in UNLOGGED:
        facts = {"method": known, "route": route, "status": status, "ms": round(1000 * seconds)}
        logger.info("request", extra=facts)
