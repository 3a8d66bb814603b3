"""The served page: its URLs, its files, its security headers."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from settings import Settings
from tests.web.conftest import ORIGIN, School
from web import pages
from web.app import create_app
from web.cookies import SessionKey
from web.middleware import PRIVATE, security_headers


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small page instead of the real one."""
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>Bodh</title>")
    (dist / "icon.svg").write_text("<svg/>")
    (dist / "assets" / "index-abc.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(pages, "DIST", dist)


@pytest.fixture
async def client(settings: Settings, built: None) -> AsyncIterator[httpx2.AsyncClient]:
    """The application with the small page. Needs no database."""
    app = create_app(settings)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "path",
    ["/", "/auth/signin", "/error", "/session/1", "/session/1/x", "/transcripts", "/transcripts/1"],
)
async def test_every_client_url_serves_the_page(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert "<title>Bodh</title>" in answer.text


async def test_module_page_is_404_until_signed_in(school: School, built: None) -> None:
    path = "/v2/course/intro/module/1"
    outside = await school.client.get(path)
    await school.client.post("/auth/dev-login", json={"name": "Amina"})
    inside = await school.client.get(path)
    assert (outside.status_code, inside.status_code) == (404, 200)
    assert outside.text == inside.text


async def test_module_page_is_503_without_the_database(client: httpx2.AsyncClient) -> None:
    key = SessionKey(uuid4(), bytes(32)).text()
    answer = await client.get(
        "/v2/course/intro/module/1", headers={"Cookie": f"bodh_session={key}"}
    )
    assert answer.status_code == 503
    assert "<title>Bodh</title>" in answer.text


async def test_files_with_a_hash_are_cached_forever(client: httpx2.AsyncClient) -> None:
    script = await client.get("/assets/index-abc.js")
    icon = await client.get("/icon.svg")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert (icon.status_code, icon.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%00",
        "/..%2fsecret.txt",
        "/.env",
        "/assets",
        "/assets/",
    ],
)
async def test_only_built_files_are_served(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_every_response_forbids_scripts_from_other_origins(
    client: httpx2.AsyncClient,
) -> None:
    for path in ("/", "/assets/index-abc.js", "/healthz", "/api/me", "/nothing/here"):
        headers = (await client.get(path)).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"


def test_page_may_connect_to_the_media_server(settings: Settings) -> None:
    settings.livekit_url = "wss://media.example:7443/path"
    policy = security_headers(settings)["Content-Security-Policy"]
    assert "connect-src 'self' wss://media.example:7443 https://media.example:7443;" in policy


async def test_missing_build_says_what_to_do(
    client: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "DIST", tmp_path / "nowhere")
    answer = await client.get("/")
    assert (answer.status_code, answer.text) == (503, pages.NOT_BUILT)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/courses", 401),
        ("/api/nothing", 404),
        ("/api/openapi.json", 200),
        ("/auth/nothing", 404),
        ("/api/fails", 500),
    ],
)
async def test_no_cache_keeps_a_response_of_the_api(
    library: School, path: str, status: int
) -> None:
    async def fail() -> None:
        raise RuntimeError

    library.app.add_api_route("/api/fails", fail)
    library.app.router.routes.insert(0, library.app.router.routes.pop())
    answer = await library.client.get(path)
    del library.app.router.routes[0]
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    expected = security_headers(library.settings)
    assert {name: answer.headers.get(name) for name in expected} == expected


def test_only_health_checks_and_pages_can_be_cached_by_default(settings: Settings) -> None:
    paths = create_app(settings).openapi()["paths"]
    assert {path for path in paths if not path.startswith(PRIVATE)} == {"/healthz", "/readyz"}


async def test_a_signed_in_response_of_the_api_is_not_kept(library: School) -> None:
    answers = [
        await library.client.get(path, headers=library.auth("Amina"))
        for path in ("/api/courses", "/api/me", f"/api/courses/{library.course.id}")
    ]
    assert [(a.status_code, a.headers["cache-control"]) for a in answers] == [(200, "no-store")] * 3


@pytest.mark.parametrize(
    ("env", "expected"), [("production", "max-age=31536000"), ("development", None)]
)
def test_production_pages_are_only_reached_over_https(
    settings: Settings, env: str, expected: str | None
) -> None:
    settings = settings.model_copy(update={"bodh_env": env})
    assert security_headers(settings).get("Strict-Transport-Security") == expected
