"""Many rooms at once, of Bodh or of plain livekit-agents, with learners that use little CPU."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import psutil
from livekit import rtc
from livekit.agents.types import ATTRIBUTE_AGENT_STATE

from agent.models.espeak import RATE as VOICE_RATE
from bench.baselines.livekit_agents import PlainWorker, delete_room
from bench.cpu import cpu_between, cpu_s
from bench.registry import OURS, PLAIN
from harness.learner import RATE, Account
from harness.stack import Stack
from harness.talker import LightLearner
from harness.voices import resampled, synthesise_cached

QUESTION = "how are you doing today"  # answered in a few seconds, always in the same words
SHARE = 0.4  # of the time, the tutor talks
TURN_S = 30.0  # a question without a whole answer by then is asked again
GREETING_S = 60.0
STAGGER_S = 1.0  # between two rooms: between their joins, and between their first questions


class TalkingLearner(LightLearner):
    """Asks so often that the tutor talks for SHARE of the time."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._talking_since: float | None = None
        self._talked_s = 0.0
        self.unanswered = 0
        self.room.on("participant_attributes_changed", self._on_attributes)

    def tutor_talked_s(self) -> float:
        now = time.monotonic()
        running_s = 0.0 if self._talking_since is None else now - self._talking_since
        return self._talked_s + running_s

    async def hear_greeting(self) -> None:
        await self.until(lambda: self._talked_s > 0, GREETING_S, "the end of the greeting")

    async def keep_asking(self) -> None:
        samples = resampled(await synthesise_cached(QUESTION), VOICE_RATE, RATE)
        while True:
            began, talked_s = time.monotonic(), self.tutor_talked_s()
            await self.play(samples)
            if not await self._hear_answer(talked_s):
                self.unanswered += 1
                continue
            turn_s = (self.tutor_talked_s() - talked_s) / SHARE
            await asyncio.sleep(max(0.0, began + turn_s - time.monotonic()))

    async def _hear_answer(self, talked_s: float) -> bool:
        """Whether the tutor finishes talking, after having talked for `talked_s` in all."""
        with contextlib.suppress(AssertionError):
            await self.until(lambda: self._talked_s > talked_s, TURN_S, "the end of an answer")
            return True
        return False

    def _on_attributes(self, changed: dict[str, str], _participant: rtc.Participant) -> None:
        state = changed.get(ATTRIBUTE_AGENT_STATE)
        if state is None:
            return
        if self._talking_since is not None:
            self._talked_s += time.monotonic() - self._talking_since
        self._talking_since = time.monotonic() if state == "speaking" else None
        self.changed.set()


class Rooms(ABC):
    """The open rooms of one system. Close it with `close`."""

    name: str

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.learners: list[TalkingLearner] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._closing = contextlib.AsyncExitStack()

    @abstractmethod
    async def sign_in(self, number: int) -> Account:
        """Each number gets a room of its own."""

    @abstractmethod
    async def open_room(self, account: Account) -> dict[str, str]:
        """Opens the account's room. Returns a ticket to join it."""

    @abstractmethod
    def list_processes(self) -> dict[str, list[int]]:
        """The processes that serve the rooms, by part, without the media server."""

    async def open_up_to(self, count: int) -> None:
        """Opens more rooms, one after another, and returns when all have heard their greeting."""
        while len(self.learners) < count:
            account = await self.sign_in(len(self.learners))
            self._closing.push_async_callback(account.close)
            learner = TalkingLearner(account)
            ticket = await self.open_room(account)
            self._closing.push_async_callback(learner.leave)
            self.learners.append(learner)
            await learner.join_with_ticket(ticket)
            await asyncio.sleep(STAGGER_S)
        await asyncio.gather(*(learner.hear_greeting() for learner in self.learners))

    async def talk(self, seconds: float) -> None:
        """Every learner keeps asking for this many seconds."""
        for learner in self.learners:
            self._asking.add(asyncio.create_task(learner.keep_asking()))
            await asyncio.sleep(STAGGER_S)
        await asyncio.sleep(seconds)
        await self._stop_asking()

    async def close(self) -> None:
        await self._stop_asking()
        await self._closing.aclose()
        self.learners.clear()

    def job_pids(self) -> set[int]:
        """All processes below the workers, whether or not they have a room."""
        return {
            child.pid
            for pid in self.list_processes()["worker"]
            for child in psutil.Process(pid).children(recursive=True)
        }

    async def _stop_asking(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._asking.clear()


class OurRooms(Rooms):
    """The stack must have the room scope `learner`, which gives each account its own room."""

    name = OURS

    async def sign_in(self, number: int) -> Account:
        account = await Account(self.stack.url, f"Load {number}").sign_in()
        self._module = (await account.get_course())["modules"][0]["id"]
        return account

    async def open_room(self, account: Account) -> dict[str, str]:
        ticket = await account.request_join_ticket(self._module)
        room = ticket["room_name"]
        self._closing.push_async_callback(delete_room, self.stack.settings, room)
        return ticket

    def list_processes(self) -> dict[str, list[int]]:
        return {
            "worker": self.stack.pids("agent start"),
            "speech and voice": self.stack.pids("-m speech"),  # and `-m speech.voice`
        }


class PlainRooms(Rooms):
    name = PLAIN

    def __init__(self, stack: Stack, worker: PlainWorker) -> None:
        super().__init__(stack)
        self._worker = worker

    async def sign_in(self, number: int) -> Account:
        return Account(self.stack.url, f"Load {number}")

    async def open_room(self, account: Account) -> dict[str, str]:
        return await self._closing.enter_async_context(self._worker.room())

    def list_processes(self) -> dict[str, list[int]]:
        return {"worker": [self._worker.pid]}


@dataclass(frozen=True)
class Window:
    """What some rooms of one system cost while they talked. CPU in ms per room and second."""

    rooms: int
    began: float
    ended: float
    cpu_ms: dict[str, float]
    talked: float  # share of the time
    unanswered: int

    @property
    def total_cpu_ms(self) -> float:
        return sum(self.cpu_ms.values())


async def measure_talk(rooms: Rooms, seconds: float) -> Window:
    """Lets all rooms talk. The media server must serve no other rooms."""
    parts = rooms.list_processes() | {"media server": rooms.stack.pids("livekit-server")}
    before = {part: cpu_s(pids) for part, pids in parts.items()}
    talked_s = sum(one.tutor_talked_s() for one in rooms.learners)
    unanswered = sum(one.unanswered for one in rooms.learners)
    began = time.monotonic()
    await rooms.talk(seconds)
    ended = time.monotonic()
    room_s = len(rooms.learners) * (ended - began)
    return Window(
        rooms=len(rooms.learners),
        began=began,
        ended=ended,
        cpu_ms={
            part: 1000 * cpu_between(before[part], cpu_s(pids)) / room_s
            for part, pids in parts.items()
        },
        talked=(sum(one.tutor_talked_s() for one in rooms.learners) - talked_s) / room_s,
        unanswered=sum(one.unanswered for one in rooms.learners) - unanswered,
    )
