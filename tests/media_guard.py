"""Fails a call of the media server that is made while a connection of the pool is held."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

from asyncpg.pool import PoolAcquireContext
from livekit.api.twirp_client import TwirpClient

_held: ContextVar[int] = ContextVar("held", default=0)  # connections, by the current task


@contextmanager
def no_media_call_under_a_connection() -> Iterator[None]:
    acquire, release = PoolAcquireContext.__aenter__, PoolAcquireContext.__aexit__
    request = TwirpClient.request

    async def counted_acquire(self: Any) -> Any:
        connection = await acquire(self)
        _held.set(_held.get() + 1)
        return connection

    async def counted_release(self: Any, *error: Any) -> Any:
        _held.set(_held.get() - 1)
        return await release(self, *error)

    async def checked_request(self: Any, *values: Any, **named: Any) -> Any:
        assert _held.get() == 0, "a call of the media server under a connection"
        return await request(self, *values, **named)

    with (
        patch.object(PoolAcquireContext, "__aenter__", counted_acquire),
        patch.object(PoolAcquireContext, "__aexit__", counted_release),
        patch.object(TwirpClient, "request", checked_request),
    ):
        yield
