"""The web client. Owns its built files and its URLs."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response

from db import AWAY, NotFound
from web.dependencies import Running, authenticate_session_cookie
from web.errors import AccountBlocked, SignInRequired

DIST = Path(__file__).parent / "client" / "dist"
FOREVER = "public, max-age=31536000, immutable"  # their names contain a hash of the content
NOT_BUILT = "The page is not built yet: run `make page`, then reload.\n"

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/auth/signin")
@router.get("/error")
@router.get("/session/{rest:path}")
@router.get("/transcripts")
@router.get("/transcripts/{session_id}")
def get_shell() -> Response:
    """The client's only page; its script reads the URL."""
    return _respond_with_shell(200)


@router.get("/v2/course/{course_id}/module/{module_id}")
async def get_module_shell(request: Request, running: Running) -> Response:
    """The same page, with status 404 for a visitor who is not signed in (document 000)."""
    try:
        await authenticate_session_cookie(request, running)
    except SignInRequired:
        return _respond_with_shell(404)
    except AccountBlocked:
        return _respond_with_shell(403)
    except AWAY:
        return _respond_with_shell(503)
    return _respond_with_shell(200)


@router.get("/assets/{name}")
def get_asset(name: str) -> Response:
    return _respond_with_file(DIST / "assets", name, FOREVER)


@router.get("/{name}")
def get_client_file(name: str) -> Response:
    return _respond_with_file(DIST, name, "no-cache")


def _respond_with_shell(status: int) -> Response:
    page = DIST / "index.html"
    if not page.is_file():
        return PlainTextResponse(NOT_BUILT, status_code=503)
    return FileResponse(page, status_code=status, headers={"Cache-Control": "no-cache"})


def _respond_with_file(folder: Path, name: str, cache: str) -> Response:
    """A file directly in the folder. Raises NotFound."""
    if not folder.is_dir() or name not in {p.name for p in folder.iterdir() if p.is_file()}:
        raise NotFound("file")
    return FileResponse(folder / name, headers={"Cache-Control": cache})
