"""Fixtures of the room tests: learners in the rooms of the shared Bodh; they leave at the end."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest
from livekit import api

from harness.learner import Account, Learner
from harness.stack import Stack

RUNNING = """select count(*) from sessions join livekit_rooms on livekit_rooms.id = room_id
             where name = $1 and status = 'active'"""


@dataclass(frozen=True)
class Module:
    """A module of the sample course, with its published lessons in order."""

    id: str
    lessons: list[dict[str, Any]]
    first_number: int  # the number of its first lesson in the course


@dataclass
class Course:
    """The sample course as learners see it."""

    id: str
    modules: list[Module]

    def room_name(self, module: Module) -> str:
        return f"{self.id}-{module.id}"


@pytest.fixture
async def livekit(stack: Stack) -> AsyncIterator[api.LiveKitAPI]:
    """The media server's API, with the operator's key."""
    settings = stack.settings
    client = api.LiveKitAPI(
        settings.livekit_internal_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
    )
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def rows(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the stack's database as its superuser, past row-level security."""
    connection = await asyncpg.connect(stack.superuser_dsn)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def course(stack: Stack) -> Course:
    account = await Account(stack.url, "Course Reader").sign_in()
    try:
        shown = await account.get_course()
    finally:
        await account.close()
    modules, number = [], 1
    for module in shown["modules"]:
        modules.append(Module(module["id"], module["lessons"], number))
        number += len(module["lessons"])
    return Course(shown["id"], modules)


_names = itertools.count(1)


@pytest.fixture
async def person(stack: Stack) -> AsyncIterator[Callable[..., Any]]:
    """Makes new signed-in accounts with distinct names."""
    accounts: list[Account] = []

    async def make(name: str = "Amina", **sign_in: str) -> Account:
        number = next(_names)
        url = stack.urls[number % len(stack.urls)]
        account = await Account(url, f"{name} {number}", **sign_in).sign_in()
        accounts.append(account)
        return account

    yield make
    for account in accounts:
        await account.close()


@pytest.fixture
async def learner(
    person: Callable[..., Any], livekit: api.LiveKitAPI, rows: asyncpg.Connection
) -> AsyncIterator[Callable[..., Any]]:
    """Makes learners, with new accounts or the given one, who have not joined yet.

    At the end they leave and their rooms close: the agent of an empty room takes time from others.
    """
    learners: list[Learner] = []

    async def make(account: Account | None = None, *, name: str = "Amina") -> Learner:
        one = Learner(account or await person(name))
        learners.append(one)
        return one

    yield make
    await asyncio.gather(*(one.leave() for one in learners), return_exceptions=True)
    for name in {one.room_name for one in learners if one.room_name}:
        # a failed test may have broken the media server
        with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
            await close_room(livekit, rows, name)


async def close_room(livekit: api.LiveKitAPI, rows: asyncpg.Connection, name: str) -> None:
    """Closes a room and waits until its session has ended. Raises TimeoutError after 20 s."""
    with contextlib.suppress(api.ServerError):
        await livekit.room.delete_room(api.DeleteRoomRequest(room=name))
    async with asyncio.timeout(20):
        while await rows.fetchval(RUNNING, name):  # noqa: ASYNC110 another process ends it
            await asyncio.sleep(0.1)


@pytest.fixture
async def fresh_room(
    course: Course, livekit: api.LiveKitAPI, rows: asyncpg.Connection
) -> Callable[[Module], Any]:
    """Closes a module's room, so that the next join starts a new session."""

    async def close(module: Module) -> str:
        name = course.room_name(module)
        await close_room(livekit, rows, name)
        return name

    return close


@pytest.fixture
def arrived(fresh_room: Callable[[Module], Any], learner: Callable[..., Any]) -> Callable[..., Any]:
    """Makes learners who have arrived in a new session; see Learner.join_past_greeting."""

    async def make(
        module: Module,
        lesson_id: str = "",
        *,
        account: Account | None = None,
        microphone: bool = True,
    ) -> Learner:
        await fresh_room(module)
        one: Learner = await learner(account)
        return await one.join_past_greeting(module.id, lesson_id, microphone=microphone)

    return make
