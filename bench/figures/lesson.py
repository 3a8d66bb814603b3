"""How long a lesson change takes until the tutor's next model request reads it."""

import argparse
import asyncio
import contextlib
import json
import time
from pathlib import Path

from bench.result import Measured, summarise
from harness.learner import Account, Learner
from harness.stack import running_stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One change each second: `--runs` is their number."""


async def run(arguments: argparse.Namespace) -> Measured:
    with running_stack() as stack:
        account = await Account(stack.url, "Bench").sign_in()
        course = await account.get_course()
        module = course["modules"][0]
        learner = Learner(account)
        began = time.monotonic()
        await learner.join(module["id"])
        await learner.tutor_done(began)
        sent: dict[int, tuple[float, float]] = {}
        for number in range(arguments.runs):
            lesson = module["lessons"][(number + 1) % 3]
            asked = time.time()
            answer = await learner.change_lesson(lesson["id"])
            sent[answer["revision"]] = (asked, time.time())
            await asyncio.sleep(1.0)  # the server takes 60 a minute
        await learner.leave()
        await account.close()
        applied = read_applied(stack.home / "log" / "agent.log")
    answered = summarise(_milliseconds_until_applied(sent, applied, 1))
    return Measured(
        unit="ms",
        ours=summarise(_milliseconds_until_applied(sent, applied, 0)),
        quality={
            "applied": len(sent.keys() & applied.keys()) / arguments.runs,
            "answered_to_applied_p50_ms": answered.p50,
            "answered_to_applied_p95_ms": answered.p95,
        },
    )


def _milliseconds_until_applied(
    sent: dict[int, tuple[float, float]], applied: dict[int, float], which: int
) -> list[float]:
    return [1000 * (applied[r] - times[which]) for r, times in sent.items() if r in applied]


def read_applied(log: Path) -> dict[int, float]:
    """Revision -> epoch seconds at which the agent applied it."""
    found: dict[int, float] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in log.read_text().splitlines():
            if '"message": "lesson changed"' in line:
                change = json.loads(line)
                found.setdefault(change["revision"], change["applied_at"])
    return found
