"""Links to stored objects: each gives access to one object, in ranges, until it expires."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from obstore.store import MemoryStore

from db.storage import Storage, StoredObject
from tests.web.conftest import School
from web.dependencies import AppContext
from web.files import file_link

DATA = bytes(range(100))
NAME = "courses/abc.png"


async def link(school: School, name: str = NAME) -> str:
    context: AppContext = school.app.state.context
    await context.storage.put(school.tenant.id, name, DATA)
    return file_link(school.settings, school.tenant.id, name, school.clock())


async def test_link_gives_the_object_without_a_sign_in(library: School) -> None:
    answer = await library.client.get(await link(library))
    assert (answer.status_code, answer.content) == (200, DATA)
    headers = answer.headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Length"] == "100"
    assert headers["Content-Disposition"] == 'inline; filename="abc.png"'
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cache-Control"].startswith("private, max-age=")


async def test_file_that_is_not_a_picture_is_an_attachment(library: School) -> None:
    answer = await library.client.get(await link(library, "uploads/page.html"))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'


@pytest.mark.parametrize(
    ("wanted", "status", "content", "told"),
    [
        ("bytes=0-9", 206, DATA[:10], "bytes 0-9/100"),
        ("bytes=90-", 206, DATA[90:], "bytes 90-99/100"),
        ("bytes=90-500", 206, DATA[90:], "bytes 90-99/100"),
        ("bytes=-5", 206, DATA[95:], "bytes 95-99/100"),
        ("bytes=-500", 206, DATA, "bytes 0-99/100"),
        ("bytes=99-99", 206, DATA[99:], "bytes 99-99/100"),
        ("bytes=9-0", 200, DATA, None),
        ("bytes=0-1,5-6", 200, DATA, None),
        ("lines=0-9", 200, DATA, None),
        ("bytes=-", 200, DATA, None),
        pytest.param(f"bytes={'9' * 5000}-", 200, DATA, None, id="a number of 5000 digits"),
    ],
)
async def test_range_returns_that_part(
    library: School, wanted: str, status: int, content: bytes, told: str | None
) -> None:
    answer = await library.client.get(await link(library), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("Content-Range") == told
    assert answer.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize("wanted", ["bytes=100-", "bytes=500-600", "bytes=-0"])
async def test_range_beyond_the_end_is_refused(library: School, wanted: str) -> None:
    answer = await library.client.get(await link(library), headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */100"
    assert answer.json()["code"] == "range_not_satisfiable"


async def test_known_object_is_not_sent_again(library: School) -> None:
    path = await link(library)
    etag = (await library.client.get(path)).headers["ETag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}"):
        answer = await library.client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    answer = await library.client.get(path, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


async def test_range_of_a_changed_object_returns_all_of_it(
    library: School,
) -> None:
    path = await link(library)
    etag = (await library.client.get(path)).headers["ETag"]
    wanted = {"Range": "bytes=0-9"}
    assert (await library.client.get(path, headers=wanted | {"If-Range": etag})).status_code == 206
    changed = await library.client.get(path, headers=wanted | {"If-Range": '"old"'})
    assert (changed.status_code, changed.content) == (200, DATA)


async def test_link_is_the_same_for_an_hour_and_expires_after_two(school: School) -> None:
    path = await link(school)
    expires = int(path.split("expires=")[1].split("&")[0])
    left_s = expires - school.clock.now.timestamp()
    assert 3600 <= left_s <= 7200
    school.clock.pass_(seconds=left_s - 1)
    assert (await school.client.get(path)).status_code == 200
    school.clock.pass_(seconds=2)
    answer = await school.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["error"] == "This link has expired. Reload the page to get a new one."


async def test_changed_link_is_refused(library: School) -> None:
    path = await link(library)
    later = (library.clock() + timedelta(days=9)).timestamp()
    expires = path.split("expires=")[1].split("&")[0]
    changed = [
        path.replace("abc.png", "abd.png"),
        path.replace(str(library.tenant.id), str(uuid4())),
        path.replace(expires, str(int(later))),
        path[:-1] + ("A" if path[-1] != "A" else "B"),
        path.split("?")[0],
        path.split("&")[0],
        path + "é",
    ]
    for one in changed:
        answer = await library.client.get(one)
        assert answer.status_code == 403, one
        assert answer.json()["error"].startswith("This link is not valid.")


@pytest.mark.parametrize("name", ["../x", "..%2f..%2fsecrets%2fauth", "%2fetc%2fpasswd", ".hidden"])
async def test_path_that_leaves_the_tenants_folder_is_refused(library: School, name: str) -> None:
    path = (await link(library)).replace(NAME, name)
    assert (await library.client.get(path)).status_code in (403, 404, 422)


class Vanishing(Storage):
    """Loses each object as soon as somebody looks for it."""

    async def find(self, tenant_id: UUID, name: str) -> StoredObject | None:
        found = await super().find(tenant_id, name)
        await self.delete(tenant_id, [name])
        return found


async def test_object_that_is_deleted_while_it_is_requested_is_not_found(
    library: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library.app.state.context, "storage", Vanishing(MemoryStore()))
    answer = await library.client.get(await link(library))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_link_to_an_object_that_was_deleted_is_not_found(library: School) -> None:
    path = await link(library, "courses/gone.png")
    await library.app.state.context.storage.delete(library.tenant.id, ["courses/gone.png"])
    assert (await library.client.get(path)).status_code == 404
