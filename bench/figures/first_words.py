"""First words: time to the greeting and to an answer, and what they cost in CPU."""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field

from bench.answer_delay import wait_for_silence
from bench.baselines.livekit_agents import PlainWorker, running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.cpu import cpu_between, cpu_s
from bench.models import whisper_folder
from bench.registry import OURS, PLAIN
from bench.result import Measured, summarise
from bench.rooms_in_turns import TutorRoom, rooms_in_turns
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
    """None besides `--runs`: a run is one conversation with us and one with a plain worker."""


async def run(arguments: argparse.Namespace) -> Measured:
    ours, theirs = Conversations(), Conversations()
    found = {OURS: ours, PLAIN: theirs}
    with running_stack() as stack, running_plain_worker(stack, OPTIONS) as plain:

        async def measure(room: TutorRoom) -> None:
            pids = list_processes(room.name, stack, plain)
            await measure_conversation(room, pids, found[room.name])

        async with rooms_in_turns(stack, plain) as rooms:
            await asyncio.sleep(3)
            for number in range(1, arguments.runs + 1):
                await rooms.talk_in_each(measure)
                print(
                    f"run {number} of {arguments.runs}: greeting {ours.greeting[-1]:.0f} ms, plain"
                    f" {theirs.greeting[-1]:.0f} ms; answer {ours.answer[-1]:.0f} ms, plain"
                    f" {theirs.answer[-1]:.0f} ms",
                    flush=True,
                )
        ours_log = (stack.home / "log" / "agent.log").read_text()
        plain_log = plain.log.read_text()
    return Measured(
        unit="ms",
        ours=summarise(ours.answer),
        baselines={PLAIN: summarise(theirs.answer)},
        quality={
            OURS: ours.make_quality() | summarise_turns(ours_log),
            PLAIN: theirs.make_quality() | summarise_turns(plain_log),
        },
        cpu_s={OURS: sum(ours.cpu.values()), PLAIN: sum(theirs.cpu.values())},
    )


def summarise_turns(log: str) -> dict[str, float]:
    """Medians in ms of the parts of an answer's delay, from the turns that an agent logged."""
    turns = [json.loads(line) for line in log.splitlines() if '"message": "turn"' in line]
    found = {key: [turn[key] for turn in turns if key in turn] for key in PARTS}
    return {
        f"{key}_p50_ms": 1000 * statistics.median(values) for key, values in found.items() if values
    }


async def measure_conversation(
    room: TutorRoom, pids: dict[str, list[int]], figures: Conversations
) -> None:
    learner, asked = room.learner, room.asked
    before = {part: cpu_s(found) for part, found in pids.items()}
    began = time.monotonic()
    await learner.join_with_ticket(room.ticket)
    heard = await learner.until(lambda: learner.first_sound(asked), 30, "a greeting")
    figures.greeting.append(1000 * (heard - asked))
    await wait_for_silence(learner)
    _, ended = await learner.say(PHRASE)
    caption = await learner.until(
        lambda: next((c for c in learner.own_captions(asked) if c.final), None),
        15,
        "a caption",
    )
    figures.final.append(1000 * (caption.at - ended))
    answered = await learner.until(lambda: learner.first_sound(ended), 15, "an answer")
    figures.answer.append(1000 * (answered - ended))
    await wait_for_silence(learner)
    figures.room_s += time.monotonic() - began
    for part, found in pids.items():
        spent = cpu_between(before[part], cpu_s(found))
        figures.cpu[part] = figures.cpu.get(part, 0.0) + spent
    await learner.leave()


def list_processes(name: str, stack: Stack, plain: PlainWorker) -> dict[str, list[int]]:
    """The processes that serve a room of ours or of the plain worker, by part."""
    server = {"server": stack.pids("livekit-server")}
    if name == PLAIN:
        return server | {"worker": [plain.pid]}
    return server | {
        "worker": stack.pids("agent start"),
        "speech engine": stack.pids("-m speech"),
    }
