"""Words of learners who opted out, erased or were deleted leave no trace, whatever happens."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.learner import Learner
from harness.processes import job_pids, kill
from harness.provider import MODEL, ModelServer, running_model_provider
from harness.stack import ROOT, Stack, running_stack
from tests.db.host_parts import dump_with, files_with, tables_with
from tests.room.conftest import Course, Module
from tests.soak import runs

ROUNDS = runs(5, 50)
PATIENCE_S = 45.0  # for an agent to be back after a kill
SWEPT_S = 10.0  # for the hosts' sweeps
FOLDERS = ("spool", "inbox", "log", "storage", "erasures")

pytestmark = pytest.mark.timeout(300 if ROUNDS < 10 else 3000)


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelServer]:
    with running_model_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(provider: ModelServer) -> Iterator[Stack]:
    with running_stack(LLM_BASE_URL=provider.url, LLM_MODEL=MODEL) as stack:
        yield stack


@dataclass
class Speaker:
    """A learner, each of whose questions contains a word that occurs nowhere else."""

    name: str
    learner: Learner
    ticket: dict[str, Any]
    words: list[str] = field(default_factory=list)

    async def ask(self) -> None:
        word = f"{self.name.lower()}zyx{len(self.words)}"
        self.words.append(word)
        asked = time.monotonic()
        await self.learner.until(self.learner.agents, PATIENCE_S, "an agent")
        await self.learner.type(f"My word is {word}. What is overfitting?")
        await self.learner.wait_for_answer(asked)

    async def reconnect(self, module: Module) -> None:
        """Joins again with the first token, which may be older than a choice."""
        await self.learner.leave()
        self.learner = Learner(self.learner.account)
        await self.learner.join_with_ticket(self.ticket, microphone=False)


@dataclass
class Classroom:
    stack: Stack
    module: Module
    people: list[Speaker]

    async def disturb(self, chance: random.Random) -> None:
        one = chance.choice(self.people)
        match chance.choice(["reconnect", "kill", "lesson"]):
            case "reconnect":
                await one.reconnect(self.module)
            case "kill":
                for job in job_pids(self.stack):
                    kill(job)
            case "lesson":
                await one.learner.change_lesson(chance.choice(self.module.lessons)["id"])


async def test_planted_words_leave_no_trace(
    stack: Stack,
    provider: ModelServer,
    learner: Callable[..., Any],
    course: Course,
    tmp_path: Path,
) -> None:
    module = course.modules[0]
    people = [await enter(name, learner, module) for name in ("Amina", "Bilal", "Chen", "Dina")]
    opted_out, erased, deleted, classmate = people
    choice = await opted_out.learner.account.http.patch(
        "/api/me/settings", json={"storeWords": False}
    )
    choice.raise_for_status()
    await classmate.ask()
    classroom, chance = Classroom(stack, module, people), random.Random(10)  # noqa: S311 repeatable
    for number in range(ROUNDS):
        await classroom.disturb(chance)
        for one in (opted_out, erased, deleted):
            await one.ask()
        if number == ROUNDS // 2:
            await erase_words(erased)
    await erase_words(erased)
    account = await deleted.learner.account.get("/api/me")
    await deleted.learner.leave()
    await run_db(stack, "erase-account", account["id"], "--yes")
    before = len(provider.requests)
    await asyncio.sleep(SWEPT_S)
    await classmate.ask()

    planted = [word for one in (opted_out, erased, deleted) for word in one.words]
    assert_no_prompt_mixes_people_up(provider.requests, people, opted_out)
    assert words_in(json.dumps(provider.requests[before:]), planted) == []
    assert (
        words_in(json.dumps([classmate.learner.messages, classmate.learner.metadata]), planted)
        == []
    )
    home = stack.home
    assert {path for name in FOLDERS for path in files_with(home / name, *planted)} == set()
    database: Any = SimpleNamespace(dsn=lambda _role: stack.superuser_dsn)
    assert await tables_with(database, *planted) == set()
    assert await tables_with(database, classmate.words[0]) != set()
    await run_db(stack, "backup", str(tmp_path / "backup"))
    assert await dump_with(tmp_path / "backup", *planted, classmate.words[0]) == {
        classmate.words[0]
    }
    assert files_with(tmp_path / "backup", *planted) == set()


async def enter(name: str, learner: Callable[..., Any], module: Module) -> Speaker:
    one: Learner = await learner(name=name)
    ticket = await one.account.request_join_ticket(module.id, module.lessons[0]["id"])
    await one.join_past_greeting_with_ticket(ticket, microphone=False)
    return Speaker(name, one, ticket)


async def erase_words(one: Speaker) -> None:
    answer = await one.learner.account.http.delete(
        "/api/me/words", params={"sessionId": one.learner.session_id or one.ticket["session_id"]}
    )
    answer.raise_for_status()


async def run_db(stack: Stack, *arguments: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "db", *arguments],
        cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def assert_no_prompt_mixes_people_up(
    requests: list[dict[str, Any]], people: list[Speaker], opted_out: Speaker
) -> None:
    """Words of classmates are material at most; those of the opted-out learner not even that."""
    assert requests
    for request in requests:
        turns = [one["content"] for one in request["messages"] if one["role"] != "system"]
        asker = next((p for p in people if words_in(json.dumps(turns[-1:]), p.words)), None)
        others = [word for p in people if p is not asker for word in p.words]
        assert words_in(json.dumps(turns), others) == []
        if asker is not opted_out:
            assert words_in(json.dumps(request), opted_out.words) == []


def words_in(text: str, words: list[str]) -> list[str]:
    return [word for word in words if word in text]
