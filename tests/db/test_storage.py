"""Stored objects: the same tests with a local folder and with S3."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from db.storage import Storage, StorageUnavailable, open_storage
from harness.stack import free_port
from settings import Settings
from tests.db.s3 import BUCKET, running_s3

TENANT = uuid4()


def s3_settings(endpoint: str) -> Settings:
    return Settings(
        _env_file=None,
        storage_url=f"s3://{BUCKET}/files",
        storage_endpoint=endpoint,
        storage_region="eu-central-1",
        storage_key_id="test",
        storage_secret=SecretStr("test"),
    )


@pytest.fixture(scope="module")
async def s3() -> AsyncIterator[Storage]:
    async with running_s3() as server:
        yield open_storage(s3_settings(server.endpoint))


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        found: Storage = request.getfixturevalue("s3")
        return found
    return open_storage(Settings(_env_file=None, bodh_home=tmp_path))


async def content(
    storage: Storage, tenant_id: UUID, name: str, start: int = 0, end: int | None = None
) -> bytes:
    return b"".join([chunk async for chunk in storage.read(tenant_id, name, start, end)])


async def test_object_is_read_back_whole_and_in_ranges(storage: Storage) -> None:
    data = bytes(range(256)) * 4096  # 1 MiB, more than a chunk
    await storage.put(TENANT, "a/b.bin", data)
    found = await storage.find(TENANT, "a/b.bin")
    assert found is not None
    assert (found.name, found.size) == ("a/b.bin", len(data))
    assert await content(storage, TENANT, "a/b.bin") == data
    assert await content(storage, TENANT, "a/b.bin", 10, 300_000) == data[10:300_000]


async def test_etag_changes_with_the_content(storage: Storage) -> None:
    etags = []
    for data in (b"one", b"three"):
        await storage.put(TENANT, "changing", data)
        found = await storage.find(TENANT, "changing")
        assert found is not None
        etags.append(found.etag)
    assert len(set(etags)) == 2
    assert all(etag.startswith('"') and etag.endswith('"') for etag in etags)


async def test_names_are_those_below_a_folder_of_the_tenant(storage: Storage) -> None:
    tenant, other = uuid4(), uuid4()
    for name in ("courses/x/2", "courses/x/1", "courses/xy/1", "other/1"):
        await storage.put(tenant, name, b"")
    await storage.put(other, "courses/x/3", b"")
    assert await storage.list_names(tenant, "courses/x") == ["courses/x/1", "courses/x/2"]
    assert await storage.list_names(uuid4(), "courses") == []


async def test_deleted_object_is_gone_and_can_be_deleted_again(storage: Storage) -> None:
    await storage.put(TENANT, "short-lived", b"x")
    for _ in range(2):
        await storage.delete(TENANT, ["short-lived", "never-there"])
        assert await storage.find(TENANT, "short-lived") is None
    with pytest.raises(FileNotFoundError):
        await content(storage, TENANT, "short-lived")


async def test_object_of_another_tenant_is_not_found(storage: Storage) -> None:
    await storage.put(TENANT, "mine", b"x")
    assert await storage.find(uuid4(), "mine") is None


@pytest.mark.parametrize(
    "name",
    [
        "..", "../x", "a/../b", "/etc/passwd", "a//b", ".hidden", "a/.b", "", "a/", "a b", "ä",
        "a\\b", "a\0b", "a%2e%2e", "a\n", "x" * 501,
    ],
)  # fmt: skip
async def test_name_that_could_leave_the_tenants_folder_is_refused(
    storage: Storage, name: str
) -> None:
    with pytest.raises(ValueError, match="not the name of a stored object"):
        await storage.put(TENANT, name, b"x")
    with pytest.raises(ValueError, match="not the name of a stored object"):
        await storage.find(TENANT, name)


def test_folder_of_the_objects_is_closed_to_other_users(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, bodh_home=tmp_path / "home")
    open_storage(settings)
    assert settings.storage_dir.stat().st_mode & 0o777 == 0o700


async def test_unreachable_server_raises_storage_unavailable() -> None:
    storage = open_storage(s3_settings(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(StorageUnavailable):
        await storage.put(TENANT, "x", b"x")
