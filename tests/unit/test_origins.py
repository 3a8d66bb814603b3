"""Which writes with the cookie are accepted, and where a sign-in may return to."""

from types import SimpleNamespace

import pytest
from starlette.requests import Request

from db import Forbidden
from settings import Settings
from web.origins import check_origin, safe_return_target

HOST = "127.0.0.1:8080"


def request(settings: Settings, method: str = "POST", **headers: str) -> Request:
    app = SimpleNamespace(state=SimpleNamespace(settings=settings))
    named = {"host": HOST, **{k.replace("_", "-"): v for k, v in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": method, "headers": raw, "app": app, "path": "/"})


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"origin": "https://learn.example"}, True),
        ({}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "https://learn.example.evil"}, False),
        ({"origin": "http://evil.example", "host": "evil.example"}, False),
    ],
)
def test_write_must_come_from_our_page(
    settings: Settings, headers: dict[str, str], taken: bool
) -> None:
    settings.public_url = "https://learn.example/"
    asked = request(settings, **headers)
    if taken:
        check_origin(asked)
    else:
        with pytest.raises(Forbidden):
            check_origin(asked)


def test_read_is_accepted_from_any_origin(settings: Settings) -> None:
    check_origin(request(settings, "GET", origin="http://evil.example"))


def test_production_accepts_only_its_public_origin(settings: Settings) -> None:
    settings.bodh_env = "production"
    settings.public_url = "https://learn.example"
    with pytest.raises(Forbidden):
        check_origin(request(settings, origin="http://127.0.0.1:8080"))


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/transcripts?lesson=1#segment-2", "/transcripts?lesson=1#segment-2"),
        ("/v2/course/ml/module/1", "/v2/course/ml/module/1"),
        ("http://127.0.0.1:8080/transcripts", "/transcripts"),
        ("http://127.0.0.1:8080", "/"),
        ("https://portal.example/home?x=1", "https://portal.example/home?x=1"),
        ("HTTPS://Portal.example/home", "HTTPS://Portal.example/home"),
    ],
)
def test_sign_in_returns_to_our_pages_and_to_listed_sites(
    settings: Settings, wanted: str, target: str
) -> None:
    settings.return_origins = "https://other.example, https://portal.example"
    assert safe_return_target(settings, HOST, wanted) == target


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "https://evil.example/",
        "https://portal.example@evil.example/",
        "https://portal.example.evil.example/",
        "https://portal.example:444/",
        "http://portal.example/",
        "https:portal.example",
        "https:///evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://127.0.0.1:8080//evil.example",
        "http://127.0.0.1:8080@evil.example",
        "http://127.0.0.1:8080.evil.example/",
        "http://[",
        "/auth/sign-out",
        "/auth",
        "/api/me",
        "/assets/a.js",
        "/" + "x" * 3000,
        "/é",
        "/\x00",
    ],
)
def test_sign_in_returns_nowhere_else(settings: Settings, wanted: str) -> None:
    settings.return_origins = "https://portal.example"
    assert safe_return_target(settings, HOST, wanted) == "/"
