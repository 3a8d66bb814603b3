"""No log of a running Bodh contains a name, spoken words or a token (F57)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.stack import Stack
from protocol import TOPIC_LESSON_CHANGE
from tests.room.conftest import Course

NAME = "Rosalind Canary"
QUESTION = "what is xylophone gradient quince"


async def test_logs_contain_no_names_words_or_tokens(
    stack: Stack,
    person: Callable[..., Any],
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    account = await person(NAME)
    ticket = await account.request_join_ticket(module.id)
    rosalind = await (await learner(account)).join_past_greeting_with_ticket(ticket)
    asked = time.monotonic()
    await rosalind.type(QUESTION)
    answer = await rosalind.wait_for_answer(asked)
    await rosalind.data(TOPIC_LESSON_CHANGE, {"lessonId": QUESTION})
    await account.wait_for_kept_segments(rosalind.session_id, 1)
    await rosalind.leave()
    refused = await account.http.get("/api/me", headers={"Authorization": f"Bearer {QUESTION}"})
    assert refused.status_code == 401
    signed_in = account.http.headers["Authorization"].removeprefix("Bearer ")
    canaries = [
        "Rosalind",
        "xylophone",
        "quince",
        answer[:40],
        ticket["participant_token"],
        signed_in,
    ]
    logs = {path.name: path.read_text(errors="replace") for path in logs_of(stack)}
    assert {"agent.log", "drain.log", "watch.log", "livekit.log", "postgres.log", "web.log"} <= set(
        logs
    )
    assert rosalind.session_id in logs["agent.log"]
    found = [(name, canary) for name, text in logs.items() for canary in canaries if canary in text]
    assert found == []


def logs_of(stack: Stack) -> list[Path]:
    """Every log file, including rotated ones."""
    return sorted((stack.home / "log").glob("*.log*"))
