"""A room with a learner who asks, and a classmate who attacks or only makes noise."""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import psutil

from harness.attacker import Mode
from harness.learner import Account, Learner
from harness.processes import job_pids
from harness.stack import ROOT, Stack

QUESTION, ANSWER = "What is overfitting?", "verfitting"
PATIENCE_S = 10.0
PAUSE_S = 0.7  # between an answer and the next question
EVENTS = "select count(*) from session_state_events where session_id = $1::uuid"


@dataclass
class HostileRoom:
    amina: Learner
    job: psutil.Process  # of the agent
    rows: asyncpg.Connection
    attacker: asyncio.subprocess.Process
    answers: dict[Mode, list[float]] = field(default_factory=dict)  # seconds; PATIENCE_S for none
    memory_mb: list[float] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)  # identities; more than one if one was replaced

    async def change_mode(self, mode: Mode) -> None:
        assert self.attacker.stdin is not None
        self.attacker.stdin.write(f"{mode}\n".encode())
        await self.attacker.stdin.drain()

    async def ask_during(self, mode: Mode, seconds: float) -> None:
        """Lets the attacker work, and asks one question after the other."""
        await self.change_mode(mode)
        until = time.monotonic() + seconds
        await asyncio.sleep(1.0)
        while time.monotonic() < until:
            self.answers.setdefault(mode, []).append(await self._ask_and_time_answer())
            self.agents.update(self.amina.agents())
            with contextlib.suppress(psutil.NoSuchProcess):
                self.memory_mb.append(self.job.memory_info().rss / 1e6)
            await asyncio.sleep(PAUSE_S)
        await self.change_mode("quiet")

    async def _ask_and_time_answer(self) -> float:
        asked = time.monotonic()
        await self.amina.type(QUESTION)
        with contextlib.suppress(AssertionError):
            await self.amina.until(lambda: self._answer_at(asked), PATIENCE_S, "an answer")
        with contextlib.suppress(Exception):
            await self.amina.rpc("speech.stop", {})
        return (self._answer_at(asked) or asked + PATIENCE_S) - asked

    def _answer_at(self, asked: float) -> float | None:
        captions = self.amina.tutor_captions(asked)
        return next((one.first_at for one in captions if ANSWER in one.text), None)

    async def count_events(self) -> int:
        count: int = await self.rows.fetchval(EVENTS, self.amina.session_id)
        return count

    def memory_growth_mb(self) -> float:
        return max(self.memory_mb) - self.memory_mb[0] if self.memory_mb else 0.0

    def ratio(self) -> float:
        """Of the median answer times, hostile to harmless."""
        return statistics.median(self.answers["hostile"]) / statistics.median(
            self.answers["harmless"]
        )


@contextlib.asynccontextmanager
async def hostile_room(stack: Stack, module: int = 0) -> AsyncIterator[HostileRoom]:
    before = job_pids(stack)
    accounts = [await Account(stack.url, name).sign_in() for name in ("Amina H", "Mallory H")]
    course = await accounts[0].get_course()
    chosen = course["modules"][module]
    amina = await Learner(accounts[0]).join_and_settle(chosen["id"], microphone=False)
    (job,) = job_pids(stack) - before
    ticket = await accounts[1].request_join_ticket(chosen["id"])
    ticket["lessons"] = [lesson["id"] for lesson in chosen["lessons"]]
    rows = await asyncpg.connect(stack.superuser_dsn)
    joined = time.monotonic()
    attacker = await _start_attacker(json.dumps(ticket))
    try:
        await amina.until(lambda: amina.tutor_captions(joined), 25, "a greeting for the attacker")
        await amina.tutor_done(joined)
        yield HostileRoom(amina, psutil.Process(job), rows, attacker)
    finally:
        attacker.kill()
        await attacker.wait()
        await amina.leave()
        await rows.close()
        for account in accounts:
            await account.close()


async def _start_attacker(ticket: str) -> asyncio.subprocess.Process:
    attacker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "harness.attacker",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert attacker.stdin is not None
    attacker.stdin.write(f"{ticket}\n".encode())
    await attacker.stdin.drain()
    return attacker
