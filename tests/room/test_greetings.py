"""The four greetings, word for word, and none of them twice."""

import time
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

import prompts
from tests.room.conftest import Course


async def visited(rows: asyncpg.Connection, account: Any, *lesson_ids: str) -> None:
    """Records visits of the account to these lessons, long enough ago."""
    me = await account.get("/api/me")
    for lesson_id in lesson_ids:
        await rows.execute(
            "insert into lesson_progress (tenant_id, account_id, lesson_id, status)"
            " select tenant_id, id, $2, 'in_progress' from accounts where id = $1",
            me["id"],
            lesson_id,
        )


@pytest.mark.parametrize(
    ("kind", "index", "seen"),
    [
        ("course_welcome", 0, ()),
        ("course_welcome_back", 0, (1,)),
        ("lesson_welcome", 2, (0,)),
        ("lesson_welcome_back", 1, (1,)),
    ],
)
async def test_greeting_by_session_type(
    kind: str,
    index: int,
    seen: tuple[int, ...],
    learner: Callable[..., Any],
    person: Callable[..., Any],
    course: Course,
    rows: asyncpg.Connection,
) -> None:
    module = course.modules[0]
    account = await person("Amina")
    await visited(rows, account, *(module.lessons[i]["id"] for i in seen))
    amina = await learner(account)
    joined = time.monotonic()
    await amina.join(module.id, module.lessons[index]["id"])
    said = await amina.tutor_done(joined)
    expected = prompts.render(
        kind,
        learner=account.name,
        course="A gentle introduction to machine learning",
        number=index + 1,
        lesson=module.lessons[index]["title"],
        previous=module.lessons[index - 1]["title"] if index else None,
    )
    assert " ".join(said.split()) == " ".join(expected.split())
