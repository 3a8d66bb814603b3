"""A call for fault tests: breaks its agent, and checks that exactly one speaks again."""

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from harness.learner import LOUD_LEVEL
from harness.processes import job_pids
from harness.stack import Stack
from protocol import agent_identity

PATIENCE_S = 45.0  # for an agent to return on a busy machine; build/faults has the real times
QUIET_S = 0.8  # longer than a pause between words
SORRY = "Sorry, I was gone for a moment."
GREETINGS = ("Hello", "Welcome", "Good to see", "I am back")
LOG = "select seq, type, payload from session_state_events where session_id = $1 order by seq"


@dataclass
class Call:
    """A learner in a session with an agent, through one fault after another."""

    stack: Stack
    rows: asyncpg.Connection
    learner: Any
    silences: list[float] = field(default_factory=list)

    @property
    def session_id(self) -> UUID:
        return UUID(self.learner.session_id)

    async def epoch(self) -> int:
        """The agent epoch of the session, which must still be active."""
        epoch: int | None = await self.rows.fetchval(
            "select agent_epoch from sessions where id = $1 and status = 'active'", self.session_id
        )
        assert epoch is not None
        return epoch

    async def agent(self) -> str:
        return agent_identity(self.session_id, await self.epoch())

    async def log(self) -> list[tuple[str, Any]]:
        """Kind and payload of each event of the session; asserts that no number is missing."""
        rows = await self.rows.fetch(LOG, self.session_id)
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        return [(row["type"], json.loads(row["payload"])) for row in rows]

    async def mid_sentence(self) -> float:
        """Asks a question and returns while the tutor is answering."""
        asked = time.monotonic()
        await self.learner.type("what is overfitting")
        await self.learner.until(lambda: self.learner.first_sound(asked), 30, "an answer")
        await asyncio.sleep(0.4)
        return time.monotonic()

    async def speaks_again(self, since: float) -> float:
        """Waits until an agent speaks again. Returns the seconds of silence around `since`."""
        gap = await self.learner.until(lambda: self.gap(since), PATIENCE_S, "a voice")
        self.silences.append(gap)
        return float(gap)

    def gap(self, since: float) -> float | None:
        """Seconds between the last sound of the old agent and the first of the new one."""
        loud = [at for at, level in self.learner.levels if level > LOUD_LEVEL and at > since - 1]
        pairs = itertools.pairwise(loud)
        return next((after - last for last, after in pairs if after - last > QUIET_S), None)

    async def is_alone(self) -> None:
        """Asserts for a second that the agent of the newest epoch is alone in the room."""
        await self.learner.until(
            lambda: len(self.learner.agents()) == 1, PATIENCE_S, "one agent alone"
        )
        for _ in range(10):
            assert self.learner.agents() == [await self.agent()]
            await asyncio.sleep(0.1)

    async def stop_tutor(self) -> None:
        """Stops the tutor, so that the next fault starts in a quiet room."""
        await self.learner.rpc("speech.stop", {})

    async def resumed_once(self, since: float) -> None:
        """Asserts one apology and no second greeting."""
        await self.apologises(since)
        await self.is_alone()
        assert self.said(since).count(SORRY) == 1
        assert not any(word in self.said(since) for word in GREETINGS)

    async def apologises(self, since: float) -> float:
        """Waits for the whole apology. Returns the seconds since `since`."""
        await self.learner.until(lambda: SORRY in self.said(since), PATIENCE_S, "an apology")
        return time.monotonic() - since

    def said(self, since: float) -> str:
        text: str = self.learner.tutor_text(since)
        return text

    def job(self) -> int:
        """The process of the only job."""
        (pid,) = job_pids(self.stack)
        return pid
