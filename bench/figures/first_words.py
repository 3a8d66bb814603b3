"""First words: time to the greeting and to an answer, and what they cost in CPU."""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field

from bench.baselines.livekit_agents import PlainWorker, delete_room, running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.cpu import cpu_between, cpu_s
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, summarise
from harness.learner import Account, Learner
from harness.stack import Stack, running_stack

OPTIONS = PlainOptions(str(whisper_folder("test")))
PHRASE = "what is machine learning"
PARTS = ("end_of_turn_delay", "llm_node_ttft", "tts_node_ttfb")


@dataclass
class Conversations:
    """Milliseconds of every run, and CPU seconds over the room-seconds measured."""

    greeting: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    room_s: float = 0.0

    def make_quality(self) -> dict[str, float]:
        """Medians in ms, and CPU in ms for each second of a room."""
        cpu = {f"{part}_cpu_ms": 1000 * s / self.room_s for part, s in self.cpu.items()}
        greeting, final = summarise(self.greeting), summarise(self.final)
        return {"greeting_p50_ms": greeting.p50, "final_caption_p50_ms": final.p50} | cpu


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None beside `--runs`: a run is one conversation with us and one with a plain worker."""


async def run(arguments: argparse.Namespace) -> Measured:
    with running_stack() as stack, running_plain_worker(stack, OPTIONS) as plain:
        account = await Account(stack.url, "Bench").sign_in()
        course = await account.get_course()
        ours, theirs = Conversations(), Conversations()
        lab = _Measurement(stack, account, course["modules"][0]["id"], course["id"])
        await asyncio.sleep(3)
        for number in range(1, arguments.runs + 1):
            await lab.measure_ours(ours)
            await lab.measure_plain(theirs, plain)
            print(
                f"run {number} of {arguments.runs}: greeting {ours.greeting[-1]:.0f} ms, plain"
                f" {theirs.greeting[-1]:.0f} ms; answer {ours.answer[-1]:.0f} ms, plain"
                f" {theirs.answer[-1]:.0f} ms",
                flush=True,
            )
        await account.close()
        ours_log = (stack.home / "log" / "agent.log").read_text()
        plain_log = plain.log.read_text()
    return Measured(
        unit="ms",
        ours=summarise(ours.answer),
        baselines={PLAIN: summarise(theirs.answer)},
        quality={
            "ours": ours.make_quality() | summarise_turns(ours_log),
            PLAIN: theirs.make_quality() | summarise_turns(plain_log),
        },
        cpu_s={"ours": sum(ours.cpu.values()), PLAIN: sum(theirs.cpu.values())},
    )


def summarise_turns(log: str) -> dict[str, float]:
    """Medians in ms of the parts of an answer's delay, from the turns that an agent logged."""
    turns = [json.loads(line) for line in log.splitlines() if '"message": "turn"' in line]
    found = {key: [turn[key] for turn in turns if key in turn] for key in PARTS}
    return {
        f"{key}_p50_ms": 1000 * statistics.median(values) for key, values in found.items() if values
    }


class _Measurement:
    def __init__(self, stack: Stack, account: Account, module: str, course: str) -> None:
        self._stack = stack
        self._account = account
        self._module = module
        self._room = f"{course}-{module}"

    async def measure_ours(self, figures: Conversations) -> None:
        await delete_room(self._stack.settings, self._room)
        learner = Learner(self._account)
        asked = time.monotonic()
        ticket = await self._account.request_join_ticket(self._module)
        pids = {
            "server": self._stack.pids("livekit-server"),
            "worker": self._stack.pids("agent start"),
            "speech engine": self._stack.pids("-m speech"),
        }
        await self._measure_conversation(learner, ticket, asked, figures, pids)

    async def measure_plain(self, figures: Conversations, plain: PlainWorker) -> None:
        asked = time.monotonic()
        async with plain.room() as ticket:
            pids = {"server": self._stack.pids("livekit-server"), "worker": [plain.pid]}
            await self._measure_conversation(Learner(self._account), ticket, asked, figures, pids)

    async def _measure_conversation(
        self,
        learner: Learner,
        ticket: dict[str, str],
        asked: float,
        figures: Conversations,
        pids: dict[str, list[int]],
    ) -> None:
        before = {part: cpu_s(found) for part, found in pids.items()}
        began = time.monotonic()
        await learner.join_with_ticket(ticket)
        heard = await learner.until(lambda: learner.first_sound(asked), 30, "a greeting")
        figures.greeting.append(1000 * (heard - asked))
        await self._wait_for_silence(learner)
        _, ended = await learner.say(PHRASE)
        caption = await learner.until(
            lambda: next((c for c in learner.own_captions(asked) if c.final), None),
            15,
            "a caption",
        )
        figures.final.append(1000 * (caption.at - ended))
        answered = await learner.until(lambda: learner.first_sound(ended), 15, "an answer")
        figures.answer.append(1000 * (answered - ended))
        await self._wait_for_silence(learner)
        figures.room_s += time.monotonic() - began
        for part, found in pids.items():
            spent = cpu_between(before[part], cpu_s(found))
            figures.cpu[part] = figures.cpu.get(part, 0.0) + spent
        await learner.leave()

    async def _wait_for_silence(self, learner: Learner) -> None:
        await learner.until(lambda: time.monotonic() - learner.last_sound() > 1.0, 40, "silence")
