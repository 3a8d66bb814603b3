"""The page. Owns the built client: its files, the addresses it answers, the security headers."""

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db import NotFound
from settings import Settings
from web.auth import COOKIE
from web.context import Running
from web.errors import SignInRequired, SignInUnavailable

DIST = Path(__file__).parent / "client" / "dist"
FOREVER = "public, max-age=31536000, immutable"  # the names of these files hold their hash
NOT_BUILT = "The page is not built yet: run `make page`, then reload.\n"

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/auth/signin")
@router.get("/error")
@router.get("/session/{rest:path}")
def get_shell() -> Response:
    """The client's one page; its script reads the address."""
    return _shell(200)


@router.get("/v2/course/{course_id}/module/{module_id}")
async def get_module_shell(request: Request, running: Running) -> Response:
    """The module's page: 404 to whoever is not signed in (000), the same page all the same."""
    try:
        await running.verifier.verify(request.cookies.get(COOKIE, ""))
    except SignInRequired:
        return _shell(404)
    except SignInUnavailable:
        return _shell(503)
    return _shell(200)


@router.get("/assets/{name}")
def get_asset(name: str) -> Response:
    """A script, style or font of the built client."""
    return _file(DIST / "assets", name, FOREVER)


@router.get("/{name}")
def get_file(name: str) -> Response:
    """A file beside the page, such as its icon."""
    return _file(DIST, name, "no-cache")


def _shell(status: int) -> Response:
    page = DIST / "index.html"
    if not page.is_file():
        return PlainTextResponse(NOT_BUILT, status_code=503)
    return FileResponse(page, status_code=status, headers={"Cache-Control": "no-cache"})


def _file(folder: Path, name: str, cache: str) -> Response:
    """A file that the folder lists under just this name. Raises NotFound."""
    if not folder.is_dir() or name not in {p.name for p in folder.iterdir() if p.is_file()}:
        raise NotFound("file")
    return FileResponse(folder / name, headers={"Cache-Control": cache})


def security_headers(settings: Settings) -> dict[str, str]:
    """On every answer: scripts and styles of ours only, connections to us and the media server."""
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
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(self), geolocation=()",
    }


class SecurityHeaders:
    """Puts the headers on every answer, errors included."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        """Wraps an application."""
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
