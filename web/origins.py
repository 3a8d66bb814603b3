"""Where requests may come from, and where a sign-in may return to."""

import re
from urllib.parse import urlsplit

from fastapi import Request

from db import Forbidden
from settings import Settings

LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MAX_ADDRESS = 2000
HOME = "/"
NOT_A_PAGE = ("/auth", "/api", "/assets")


def check_origin(request: Request) -> None:
    """Raises Forbidden for a write from a page of another origin.

    Browsers send the origin with every write, so a write without one is not from a browser.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if origin is None and site in ("same-origin", "none"):
        return
    settings: Settings = request.app.state.settings
    if origin not in own_origins(settings, request.headers.get("host", "")):
        raise Forbidden("The request came from another site")


def own_origins(settings: Settings, host: str) -> set[str]:
    """The origins that serve our pages; in development, any loopback origin too."""
    parts = urlsplit(settings.public_url)
    origins = {f"{parts.scheme}://{parts.netloc}"}
    if settings.bodh_env == "development" and LOOPBACK_HOST.fullmatch(host):
        origins.add(f"http://{host}")
    return origins


def safe_return_target(settings: Settings, host: str, wanted: str) -> str:
    """Where a sign-in returns to: a page of ours or an address of RETURN_ORIGINS, else `/`."""
    if len(wanted) > MAX_ADDRESS or "\\" in wanted or not wanted.isascii():
        return HOME
    if not wanted.isprintable() or " " in wanted:
        return HOME
    if wanted.startswith("/"):
        return _own_page_or_home(wanted)
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if origin in own_origins(settings, host):
        return _own_page_or_home(wanted[len(origin) :] or HOME)
    return wanted if origin in settings.allowed_return_origins else HOME


def _own_page_or_home(path: str) -> str:
    """The path if it is a page; two slashes at its start would lead to another site."""
    plain = path.split("?")[0].split("#")[0]
    inside = any(plain == part or plain.startswith(f"{part}/") for part in NOT_A_PAGE)
    return HOME if not path.startswith("/") or path.startswith("//") or inside else path
