"""How long a lesson change takes until the tutor's next model request reads it."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

from bench.figures import format_row
from harness.learner import Account, Learner
from harness.stack import running_stack


async def run_benchmark(changes: int) -> None:
    with running_stack() as stack:
        account = await Account(stack.url, "Bench").sign_in()
        course = await account.get_course()
        module = course["modules"][0]
        learner = Learner(account)
        began = time.monotonic()
        await learner.join(module["id"])
        await learner.tutor_done(began)
        sent: dict[int, tuple[float, float]] = {}
        for number in range(changes):
            lesson = module["lessons"][(number + 1) % 3]
            asked = time.time()
            answer = await learner.change_lesson(lesson["id"])
            sent[answer["revision"]] = (asked, time.time())
            await asyncio.sleep(1.0)  # the server takes 60 a minute
        await learner.leave()
        await account.close()
        applied = read_applied(stack.home / "log" / "agent.log")
    both = [revision for revision in sent if revision in applied]
    print(f"{len(both)} of {changes} changes were seen in the worker's log")
    print(
        format_row(
            "request sent -> state of the next model request",
            _seconds_until_applied(sent, applied, 0),
        )
    )
    print(
        format_row(
            "request answered -> state of the next request",
            _seconds_until_applied(sent, applied, 1),
        )
    )


def _seconds_until_applied(
    sent: dict[int, tuple[float, float]], applied: dict[int, float], which: int
) -> list[float]:
    return [applied[r] - times[which] for r, times in sent.items() if r in applied]


def read_applied(log: Path) -> dict[int, float]:
    """Revision -> epoch seconds at which the agent applied it."""
    found: dict[int, float] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in log.read_text().splitlines():
            if '"message": "lesson changed"' in line:
                change = json.loads(line)
                found.setdefault(change["revision"], change["applied_at"])
    return found
