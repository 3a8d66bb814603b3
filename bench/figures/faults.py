"""Injects faults one after another while learners talk, then counts what was kept."""

import argparse
import asyncio
import contextlib
import random
import secrets
import time
from pathlib import Path

from bench.faults.catalogue import CATALOGUE, Scene
from bench.faults.compare import compare
from bench.faults.report import (
    ANSWERED_S,
    SETTLED_S,
    Injected,
    Observations,
    make_figures,
    make_result,
    write_report,
)
from bench.result import Measured
from harness.learner import Account
from harness.stack import running_stack
from harness.talker import Talker
from speech.models import TEST_MODEL_FOLDER

LEARNERS = 2
PAUSE_S = (0.5, 3.0)  # from the last recovery to the next fault
SAMPLE_S = 0.25
IN_FLIGHT_S = 0.3  # words on their way when an agent is killed still arrive
PHRASES = TEST_MODEL_FOLDER / "phrases.txt"
QUESTIONS = ("what is", "what are", "explain", "summarise")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=4.0, help="at most")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument(
        "--kind", action="append", choices=CATALOGUE, help="may be repeated; default: all"
    )


async def run(arguments: argparse.Namespace) -> Measured:
    """Injects `--runs` faults, or as many as fit into the time."""
    seed, kinds = arguments.seed, arguments.kind or list(CATALOGUE)
    until_s = 60 * arguments.minutes
    print(f"seed {seed}", flush=True)
    with running_stack(ROOM_SCOPE="learner") as stack:
        talkers = [await new_talker(stack.url, number) for number in range(LEARNERS)]
        scene = Scene(stack, talkers, random.Random(seed))  # noqa: S311 not a secret
        seen = Observations(seed)
        talking = [asyncio.create_task(talker.run()) for talker in talkers]
        counting = asyncio.create_task(count_agents(talkers, seen))
        try:
            await wait_for_answers(talkers, time.monotonic(), 60)
            await inject_faults(scene, seen, kinds, arguments.runs, time.monotonic() + until_s)
        finally:
            for task in (*talking, counting):
                task.cancel()
            await asyncio.gather(*talking, counting, return_exceptions=True)
        for talker in talkers:
            with contextlib.suppress(Exception):
                await talker.newest_connection.leave()
        kept = await compare(stack, talkers)
        made = make_figures(seen, kept, talkers)
        write_report(made)
        for talker in talkers:
            await talker.account.close()
    return make_result(seen, made)


async def new_talker(url: str, number: int) -> Talker:
    account = await Account(url, f"Talker {number}").sign_in()
    course = await account.get_course()
    return Talker(account, course["modules"][0], read_questions(PHRASES))


def read_questions(file: Path) -> list[str]:
    """Phrases that are recognised exactly and get an answer of several sentences."""
    return [line for line in file.read_text().splitlines() if line.startswith(QUESTIONS)]


async def inject_faults(
    scene: Scene, seen: Observations, kinds: list[str], kills: int, until: float
) -> None:
    while len(seen.faults) < kills and time.monotonic() < until:
        await asyncio.sleep(scene.random.uniform(*PAUSE_S))
        fault = await inject_fault(scene, seen, scene.random.choice(kinds))
        seen.faults.append(fault)
        word = "survived" if fault.survived else "NOT survived"
        answers = ", ".join("never" if s is None else f"{s:.1f} s" for s in fault.answered_s)
        print(f"{len(seen.faults)}. {fault.kind}: {word}, answers after {answers}", flush=True)


async def inject_fault(scene: Scene, seen: Observations, kind: str) -> Injected:
    at = seen.fault_at = time.monotonic()
    await CATALOGUE[kind](scene)
    ended_at = seen.fault_at = time.monotonic()
    answers = await wait_for_answers(scene.talkers, ended_at, ANSWERED_S)
    words = [talker.first_words_after(at + IN_FLIGHT_S) for talker in scene.talkers]
    for talker, answer in zip(scene.talkers, answers, strict=True):
        talker.newest_connection.lost |= answer is None  # a person would reload the page by now
    return Injected(
        kind,
        at,
        ended_at,
        silent_s=[None if word is None else word - at for word in words],
        answered_s=[None if answer is None else answer - ended_at for answer in answers],
    )


async def wait_for_answers(
    talkers: list[Talker], since: float, patience_s: float
) -> list[float | None]:
    """When each learner got an answer to a question asked after `since`; None if not."""
    waiting = [asyncio.create_task(talker.wait_for_answer_time(since)) for talker in talkers]
    await asyncio.wait(waiting, timeout=patience_s)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return [None if task.cancelled() else task.result() for task in waiting]


async def count_agents(talkers: list[Talker], seen: Observations) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        settled = time.monotonic() - seen.fault_at > SETTLED_S
        for talker in talkers:
            if not talker.joined.is_set():
                continue
            present = len(talker.newest_connection.agents())
            seen.agents[present] += 1
            if settled:
                seen.agents_settled[present] += 1
