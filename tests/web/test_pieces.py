"""Responses in pieces give back what they read from, also when the client goes away."""

import asyncio
import os
from typing import Any

import pytest
from obstore.store import MemoryStore

from db.deleting import object_folder
from db.storage import CHUNK
from tests.db.test_account_export import WatchedStorage
from tests.web.conftest import ORIGIN, School
from web.files import file_link


@pytest.fixture
def storage(library: School, monkeypatch: pytest.MonkeyPatch) -> WatchedStorage:
    storage = WatchedStorage(MemoryStore())
    monkeypatch.setattr(library.app.state.context, "storage", storage)
    return storage


async def leave_during_response(school: School, path: str, headers: dict[str, str]) -> None:
    """Goes away when the first large piece has arrived."""
    gone = asyncio.Event()
    requests: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if len(message.get("body", b"")) > CHUNK // 2:
            gone.set()
            await asyncio.Event().wait()  # the buffer of the connection is full

    url, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},  # uvicorn's
        "http_version": "1.1",
        "method": "GET",
        "scheme": ORIGIN.split(":")[0],
        "path": url,
        "raw_path": url.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    async with asyncio.timeout(30):
        await school.app(scope, receive, send)
    assert gone.is_set()


async def test_client_that_goes_away_from_its_export_leaves_nothing_open(
    library: School, storage: WatchedStorage
) -> None:
    amina = await library.account("Amina")
    name = f"{object_folder('account', amina.id)}/film"
    await storage.put(library.tenant.id, name, os.urandom(2 * CHUNK))
    await leave_during_response(library, "/api/me/export", library.auth("Amina"))
    assert (storage.opened, storage.reads) == (0, 1)


async def test_client_that_goes_away_from_a_file_leaves_nothing_open(
    library: School, storage: WatchedStorage
) -> None:
    await storage.put(library.tenant.id, "courses/film", os.urandom(4 * CHUNK))
    path = file_link(library.settings, library.tenant.id, "courses/film", library.clock())
    await leave_during_response(library, path, {})
    assert (storage.opened, storage.reads) == (0, 1)
