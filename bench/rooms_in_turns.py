"""One learner in a room of ours, then in one of the plain worker, and so on."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.baselines.livekit_agents import PlainWorker, delete_room
from bench.registry import OURS, PLAIN
from harness.learner import Account, Learner
from harness.stack import Stack


@dataclass(frozen=True)
class TutorRoom:
    """A room with a tutor of ours or of the plain worker. The learner joins it, and leaves it."""

    name: str  # OURS or PLAIN
    learner: Learner
    ticket: dict[str, Any]
    asked: float  # monotonic time at which the room was requested


@dataclass(frozen=True)
class RoomsInTurns:
    stack: Stack
    plain: PlainWorker
    account: Account
    course: dict[str, Any]

    async def talk_in_each(self, talk: Callable[[TutorRoom], Awaitable[None]]) -> None:
        """Calls `talk` with a room of ours, then with one of the plain worker."""
        module = self.course["modules"][0]["id"]
        await delete_room(self.stack.settings, f"{self.course['id']}-{module}")
        learner, asked = Learner(self.account), time.monotonic()
        await talk(TutorRoom(OURS, learner, await self.account.request_join_ticket(module), asked))
        learner, asked = Learner(self.account), time.monotonic()
        async with self.plain.room() as ticket:
            await talk(TutorRoom(PLAIN, learner, ticket, asked))


@contextlib.asynccontextmanager
async def rooms_in_turns(stack: Stack, plain: PlainWorker) -> AsyncIterator[RoomsInTurns]:
    """Signs in one learner, who is in every room."""
    account = await Account(stack.url, "Bench").sign_in()
    try:
        yield RoomsInTurns(stack, plain, account, await account.get_course())
    finally:
        await account.close()
