"""A media server that does not answer: what needs no media goes on, the rest is 503 in time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from db import Connection, Pool, tenant_tx
from db.rooms import find_room, release_room_lock, take_room_lock
from harness.livekit import MediaServer
from harness.processes import frozen
from rooms import room_lock
from rooms.room_lock import hold_room
from tests.media_guard import no_media_call_under_a_connection
from tests.web.conftest import School

LOADS = 12  # more than the pool has connections
PATIENCE_S = 1.5
RECOVERY_S = 20  # for a machine that is busy with other tests
DEADLINE_S = room_lock.WAIT_S + room_lock.HOLD_S + 2


async def timed(school: School, path: str, name: str) -> tuple[int, float]:
    began = time.monotonic()
    answer = await school.client.get(path, headers=school.auth(name), timeout=60)
    return answer.status_code, time.monotonic() - began


async def ask_token(school: School, name: str, module: int) -> tuple[int, str, float]:
    began = time.monotonic()
    query = {"courseId": school.course.slug, "moduleId": str(school.modules[module].id)}
    answer = await school.client.post(
        "/api/livekit/token", headers=school.auth(name), params=query, json={}, timeout=60
    )
    body = answer.json()
    return answer.status_code, body.get("error", ""), time.monotonic() - began


async def until_rooms_open(school: School) -> None:
    async with asyncio.timeout(RECOVERY_S):
        while (await ask_token(school, "Learner 0", 0))[0] != 201:  # noqa: ASYNC110 another process
            await asyncio.sleep(0.2)


async def test_pages_without_media_are_served_while_the_media_server_hangs(
    school: School, media: MediaServer
) -> None:
    await school.open("Amina")
    with frozen(media.pid):
        modules = range(LOADS)
        loads = [
            asyncio.create_task(ask_token(school, f"Learner {n}", n % len(school.modules)))
            for n in modules
        ]
        paths = ["/api/me", "/api/courses", "/api/me/transcripts", "/api/me/settings", "/healthz"]
        others = [await timed(school, path, "Amina") for path in paths * 3]
        still_waiting = [load for load in loads if not load.done()]
        refused = await asyncio.gather(*loads)
    assert [status for status, _ in others] == [200] * len(others)
    assert max(seconds for _, seconds in others) < PATIENCE_S
    assert len(still_waiting) > 0
    assert {(status, text) for status, text, _ in refused} == {
        (503, "Video service unavailable. Try again.")
    }
    assert max(seconds for _, _, seconds in refused) < DEADLINE_S
    await until_rooms_open(school)


async def room_id(school: School) -> UUID:
    async with tenant_tx(school.pool, school.tenant.id) as db:
        room = await find_room(db, school.tenant.id, school.room())
    assert room is not None
    return room.id


async def test_a_room_is_held_by_one_at_a_time(school: School) -> None:
    await school.open("Amina")
    room, holders, most = await room_id(school), 0, 0

    async def hold() -> None:
        nonlocal holders, most
        async with hold_room(school.pool, school.tenant.id, room):
            holders += 1
            most = max(most, holders)
            await asyncio.sleep(0)
            holders -= 1

    await asyncio.gather(*(hold() for _ in range(8)))
    assert (most, holders) == (1, 0)


async def test_a_room_held_by_another_process_is_waited_for_and_its_lock_expires(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    await school.open("Amina")
    room, other = await room_id(school), uuid4()
    tenant_id = school.tenant.id
    async with tenant_tx(school.pool, tenant_id) as db:
        assert await take_room_lock(db, tenant_id, room, other, timedelta(seconds=60))
        assert not await take_room_lock(db, tenant_id, room, uuid4(), timedelta(seconds=60))
        await release_room_lock(db, tenant_id, room, uuid4())  # not the holder
    monkeypatch.setattr(room_lock, "WAIT_S", 0.2)
    with pytest.raises(TimeoutError):
        async with hold_room(school.pool, tenant_id, room):
            pass
    async with tenant_tx(school.pool, tenant_id) as db:
        await db.execute("update livekit_rooms set locked_until = now() - interval '1 second'")
    async with hold_room(school.pool, tenant_id, room), tenant_tx(school.pool, tenant_id) as db:
        assert not await take_room_lock(db, tenant_id, room, other, timedelta(seconds=60))
    async with tenant_tx(school.pool, tenant_id) as db:
        assert await take_room_lock(db, tenant_id, room, other, timedelta(seconds=60))
        await release_room_lock(db, tenant_id, room, other)


async def test_one_who_gives_up_while_the_lock_is_committed_does_not_keep_it(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    await school.open("Amina")
    room, tenant_id = await room_id(school), school.tenant.id

    @asynccontextmanager
    async def slow_to_confirm(pool: Pool, tenant: UUID) -> AsyncIterator[Connection]:
        async with tenant_tx(pool, tenant) as db:
            yield db
        await asyncio.sleep(0.5)

    with monkeypatch.context() as slow:
        slow.setattr(room_lock, "WAIT_S", 0.2)
        slow.setattr(room_lock, "tenant_tx", slow_to_confirm)
        with pytest.raises(TimeoutError):
            async with hold_room(school.pool, tenant_id, room):
                pass
    async with tenant_tx(school.pool, tenant_id) as db:
        assert await take_room_lock(db, tenant_id, room, uuid4(), timedelta(seconds=1))


async def test_a_media_call_under_a_connection_fails_these_tests(school: School) -> None:
    with no_media_call_under_a_connection(), pytest.raises(AssertionError):
        async with tenant_tx(school.pool, school.tenant.id):
            await school.live_room()
