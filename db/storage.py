"""Stored objects: pictures and other files, in a local folder or in S3.

An object belongs to a tenant, whose id is the first part of its key. We choose all names; authors
and learners never do.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from settings import Settings

# each part has letters, digits, `.`, `_` and `-` and begins with a letter or digit, so none is `..`
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
MAX_KEY = 500
CHUNK = 256 * 1024


class StorageUnavailable(Exception):
    pass


@dataclass(frozen=True)
class StoredObject:
    name: str
    size: int
    etag: str


class Storage:
    """The objects of all tenants. Raises StorageUnavailable if the store fails."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, tenant_id: UUID, name: str, data: bytes) -> None:
        """Writes or replaces an object, atomically."""
        with _translate_store_errors():
            await self._store.put_async(object_key(tenant_id, name), data)

    async def find(self, tenant_id: UUID, name: str) -> StoredObject | None:
        try:
            with _translate_store_errors():
                meta = await self._store.head_async(object_key(tenant_id, name))
        except FileNotFoundError:
            return None
        return StoredObject(name, meta["size"], _quote_etag(meta["e_tag"]))

    async def read(
        self, tenant_id: UUID, name: str, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `end`, in chunks. Raises FileNotFoundError.

        Holds a connection to the store until it ends or is closed.
        """
        with _translate_store_errors():
            key = object_key(tenant_id, name)
            if end is None:
                found = await self._store.get_async(key)
            else:
                found = await self._store.get_async(key, options={"range": (start, end)})
            async for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    async def list_names(self, tenant_id: UUID, prefix: str) -> list[str]:
        """Names below a folder such as `courses/5f3a`, sorted."""
        first = f"{tenant_id}/"
        found: list[str] = []
        with _translate_store_errors():
            async for batch in self._store.list(object_key(tenant_id, prefix)):
                found += [meta["path"].removeprefix(first) for meta in batch]
        return sorted(found)

    async def delete(self, tenant_id: UUID, names: Iterable[str]) -> None:
        """Ignores objects that do not exist."""
        for name in names:
            try:
                with _translate_store_errors():
                    await self._store.delete_async(object_key(tenant_id, name))
            except FileNotFoundError:
                continue


def object_key(tenant_id: UUID, name: str) -> str:
    """Raises ValueError for an invalid name."""
    if not NAME.fullmatch(name) or len(name) > MAX_KEY:
        raise ValueError("not the name of a stored object")
    return f"{tenant_id}/{name}"


def open_storage(settings: Settings) -> Storage:
    if not settings.storage_url:
        settings.storage_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Storage(LocalStore(settings.storage_dir))
    url = urlsplit(settings.storage_url)
    region = settings.storage_region
    endpoint = settings.storage_endpoint or f"https://s3.{region}.amazonaws.com"
    store = S3Store(
        url.netloc,
        prefix=url.path.strip("/") or None,
        endpoint=endpoint,
        region=region,
        access_key_id=settings.storage_key_id,
        secret_access_key=settings.storage_secret.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "timeout": timedelta(seconds=30),
            "connect_timeout": timedelta(seconds=3),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
    )
    return Storage(store)


@contextmanager
def _translate_store_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StorageUnavailable(type(error).__name__) from error


def _quote_etag(etag: str | None) -> str:
    return f'"{(etag or "").strip(chr(34))}"'
