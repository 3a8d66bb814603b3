"""What fault tests do with the agent of a room, and how they watch that one speaks again."""

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from harness.learner import LOUD
from harness.processes import job_pids
from harness.stack import Stack
from protocol import agent_identity

PATIENCE_S = 45.0  # for an agent to be back on a busy machine; the figures tell how long it took
QUIET_S = 0.8  # a gap that is no pause between words
SORRY = "Sorry, I was gone for a moment."
GREETINGS = ("Hello", "Welcome", "Good to see", "I am back")
LOG = "select seq, type, payload from session_state_events where session_id = $1 order by seq"


@dataclass
class Call:
    """A learner in a session with its agent, through one fault after the other."""

    stack: Stack
    rows: asyncpg.Connection
    learner: Any
    silences: list[float] = field(default_factory=list)

    @property
    def session_id(self) -> UUID:
        return UUID(self.learner.session_id)

    async def epoch(self) -> int:
        """Of the running session, which must be the one that was joined."""
        epoch: int | None = await self.rows.fetchval(
            "select agent_epoch from sessions where id = $1 and status = 'active'", self.session_id
        )
        assert epoch is not None
        return epoch

    async def agent(self) -> str:
        return agent_identity(self.session_id, await self.epoch())

    async def log(self) -> list[tuple[str, Any]]:
        """Kinds and payloads of the session's events; their numbers have no gap."""
        rows = await self.rows.fetch(LOG, self.session_id)
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        return [(row["type"], json.loads(row["payload"])) for row in rows]

    async def mid_sentence(self) -> float:
        """Asks, and returns while the tutor is speaking."""
        asked = time.monotonic()
        await self.learner.type("what is overfitting")
        await self.learner.until(lambda: self.learner.first_sound(asked), 30, "an answer")
        await asyncio.sleep(0.4)
        return time.monotonic()

    async def speaks_again(self, since: float) -> float:
        """How long it was silent around `since`, once it is not any more."""
        gap = await self.learner.until(lambda: self.gap(since), PATIENCE_S, "a voice")
        self.silences.append(gap)
        return float(gap)

    def gap(self, since: float) -> float | None:
        """Between the last sound of the agent that was and the first of the one that is."""
        loud = [at for at, level in self.learner.levels if level > LOUD and at > since - 1]
        pairs = itertools.pairwise(loud)
        return next((after - last for last, after in pairs if after - last > QUIET_S), None)

    async def is_alone(self) -> None:
        """The newest epoch's agent is in the room and no other, at each look for a second."""
        await self.learner.until(
            lambda: len(self.learner.agents()) == 1, PATIENCE_S, "one agent alone"
        )
        for _ in range(10):
            assert self.learner.agents() == [await self.agent()]
            await asyncio.sleep(0.1)

    async def hush(self) -> None:
        """Stops what it is saying, so that the next fault meets a quiet room."""
        await self.learner.rpc("speech.stop", {})

    async def resumed_once(self, since: float) -> None:
        """It said sorry, once, and greeted nobody a second time."""
        await self.apologises(since)
        await self.is_alone()
        assert self.said(since).count(SORRY) == 1
        assert not any(word in self.said(since) for word in GREETINGS)

    async def apologises(self, since: float) -> float:
        """How long after `since` its apology was told whole."""
        await self.learner.until(lambda: SORRY in self.said(since), PATIENCE_S, "an apology")
        return time.monotonic() - since

    def said(self, since: float) -> str:
        text: str = self.learner.tutor_text(since)
        return text

    def job(self) -> int:
        """The process of the one job that runs."""
        (pid,) = job_pids(self.stack)
        return pid
