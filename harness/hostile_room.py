"""A room with a learner who asks, and a classmate who attacks or only makes noise."""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import asyncpg
import psutil

from harness.attacker import Mode, Stretch
from harness.learner import Account, Learner
from harness.processes import job_pids
from harness.stack import ROOT, Stack

# Two in turns: a late answer to one is not taken for an answer to the next. The attacker's lessons
# and questions are about something else.
QUESTIONS = (("What is overfitting?", "verfitting"), ("What is gradient descent?", "radient"))
PAUSE_S = 2.0  # between an answer and the next question
SETTLE_S = 20.0  # limit for the tutor to become quiet after a stretch
REPORT_S = 20.0
MOST_TRIES = 3  # of a stretch: the SDK has crashed in the attacker's process
ATTACKER_LOG = ROOT / "build" / "attacker.log"
EVENTS = "select count(*) from session_state_events where session_id = $1::uuid"


class AttackerEndedError(Exception):
    """Its process has ended: see build/attacker.log."""


@dataclass(frozen=True)
class Result:
    stretch: Stretch
    answers_s: list[float | None]  # None if no answer came in time
    events: int  # rows added to the event log
    memory_mb: float  # the most that the agent job had


@dataclass
class HostileRoom:
    amina: Learner
    job: psutil.Process  # of the agent
    rows: asyncpg.Connection
    ticket: str  # of the attacker
    attacker: asyncio.subprocess.Process
    agents: set[str] = field(default_factory=set)  # identities; more than one if one was replaced
    questions: Iterator[tuple[str, str]] = field(default_factory=lambda: itertools.cycle(QUESTIONS))

    async def ask_beside(self, mode: Mode, seconds: float, *, patience_s: float) -> Result:
        """Lets the attacker work, and asks one question after the other; at least one.

        Begins again if the attacker's process ends meanwhile.
        """
        for _ in range(MOST_TRIES - 1):
            try:
                return await self._ask_beside_once(mode, seconds, patience_s)
            except AttackerEndedError:
                self.attacker = await _start_attacker(self.ticket)
        return await self._ask_beside_once(mode, seconds, patience_s)

    async def _ask_beside_once(self, mode: Mode, seconds: float, patience_s: float) -> Result:
        before, answers, memory_mb = await self._count_events(), list[float | None](), 0.0
        until = time.monotonic() + seconds
        await self._change_mode(mode)
        while not answers or time.monotonic() < until:
            await asyncio.sleep(PAUSE_S / 2)
            answers.append(await self._ask_and_time_answer(patience_s))
            self.agents.update(self.amina.agents())
            memory_mb = max(memory_mb, self.measure_memory_mb())
            await asyncio.sleep(PAUSE_S / 2)
        stretch = await self._change_mode("quiet")
        await self._wait_until_quiet()
        return Result(stretch, answers, await self._count_events() - before, memory_mb)

    def measure_memory_mb(self) -> float:
        """Of the agent job; 0 if it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return float(self.job.memory_info().rss) / 1e6
        return 0.0

    async def _change_mode(self, mode: Mode) -> Stretch:
        """Returns what the attacker did until now. Raises AttackerEndedError."""
        assert self.attacker.stdin is not None
        assert self.attacker.stdout is not None
        self.attacker.stdin.write(f"{mode}\n".encode())
        report = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(REPORT_S):
                await self.attacker.stdin.drain()
                report = await self.attacker.stdout.readline()
        if not report:
            raise AttackerEndedError
        return Stretch(**json.loads(report))

    async def _ask_and_time_answer(self, patience_s: float) -> float | None:
        question, word = next(self.questions)
        asked = time.monotonic()
        await self.amina.type(question)
        with contextlib.suppress(AssertionError):
            await self.amina.until(lambda: self._answered_at(word, asked), patience_s, "an answer")
        with contextlib.suppress(Exception):
            await self.amina.rpc("speech.stop", {})
        answered = self._answered_at(word, asked)
        return None if answered is None else answered - asked

    def _answered_at(self, word: str, asked: float) -> float | None:
        captions = self.amina.tutor_captions(asked)
        return next((one.first_at for one in captions if word in one.text), None)

    async def _wait_until_quiet(self) -> None:
        """Waits until the tutor has been quiet for a second."""
        quiet_since = until = time.monotonic()
        until += SETTLE_S
        while time.monotonic() < until and time.monotonic() - quiet_since < 1.0:
            if self.amina.tutor_speaks():
                quiet_since = time.monotonic()
            await asyncio.sleep(0.1)

    async def _count_events(self) -> int:
        count: int = await self.rows.fetchval(EVENTS, self.amina.session_id)
        return count


@contextlib.asynccontextmanager
async def hostile_room(stack: Stack, module: int = 0) -> AsyncIterator[HostileRoom]:
    """Both have joined; the attacker is quiet."""
    ATTACKER_LOG.unlink(missing_ok=True)
    async with contextlib.AsyncExitStack() as at_end:
        accounts = []
        for name in ("Amina H", "Mallory H"):
            account = Account(stack.url, name)
            at_end.push_async_callback(account.close)
            accounts.append(await account.sign_in())
        chosen = (await accounts[0].get_course())["modules"][module]
        before, amina = job_pids(stack), Learner(accounts[0])
        at_end.push_async_callback(amina.leave)
        await amina.join_past_greeting(chosen["id"], microphone=False)
        (job,) = job_pids(stack) - before
        rows = await asyncpg.connect(stack.superuser_dsn)
        at_end.push_async_callback(rows.close)
        join_ticket = await accounts[1].request_join_ticket(chosen["id"])
        join_ticket["lessons"] = [lesson["id"] for lesson in chosen["lessons"]]
        ticket, joined = json.dumps(join_ticket), time.monotonic()
        attacker = await _start_attacker(ticket)
        room = HostileRoom(amina, psutil.Process(job), rows, ticket, attacker)
        at_end.push_async_callback(_stop_attacker_of, room)
        await amina.until(lambda: amina.tutor_captions(joined), 40, "a greeting for the attacker")
        await amina.tutor_done(joined)
        yield room


async def _start_attacker(ticket: str) -> asyncio.subprocess.Process:
    ATTACKER_LOG.parent.mkdir(exist_ok=True)
    with ATTACKER_LOG.open("ab") as log:
        attacker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "harness.attacker",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert attacker.stdin is not None
    attacker.stdin.write(f"{ticket}\n".encode())
    await attacker.stdin.drain()
    return attacker


async def _stop_attacker_of(room: HostileRoom) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended
        room.attacker.kill()
    await room.attacker.wait()
