"""Two workers and two token servers on one host: one of each is enough."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import httpx2
import pytest

from harness.learner import Account
from harness.processes import frozen, job_pids, worker_of
from harness.second import SecondProcess, second_token_server, second_worker
from harness.stack import Stack
from tests.faults.agents import SORRY
from tests.faults.test_resume import replaced
from tests.room.conftest import Course
from tests.web.webhook_parts import PATH, body_of, event_fields, headers, signature

EFFECTS = "select count(*) from webhook_events where id like 'EV_two_%'"
SAID = """select text from transcript_segments
          where session_id = $1::uuid and role = 'learner' order by started_at"""
QUESTION = "what is machine learning"


@pytest.fixture
def both_workers(stack: Stack) -> Iterator[set[int]]:
    """Ids of all workers; runs one more."""
    before = set(stack.pids(r"-m agent start $"))
    with second_worker(stack) as second:
        yield before | {second.pid}


@pytest.fixture
def both_servers(stack: Stack) -> Iterator[tuple[str, SecondProcess]]:
    """Address of the first token server; runs a second one."""
    with second_token_server(stack) as second:
        yield stack.url, second


@pytest.mark.soak
async def test_calls_of_a_killed_worker_come_back_on_the_other_worker(
    stack: Stack,
    arrived: Callable[..., Any],
    course: Course,
    rows: asyncpg.Connection,
    both_workers: set[int],
) -> None:
    module = course.modules[0]
    before = job_pids(stack)
    amina = await arrived(module, module.lessons[0]["id"])
    asked = time.monotonic()
    await amina.type(QUESTION)
    await amina.tutor_done(asked)
    (job,) = job_pids(stack) - before
    old, worker = amina.agents()[0], worker_of(job)
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    await replaced(amina, old)
    assert (await amina.tutor_done(killed)).startswith(SORRY)
    (other,) = {worker_of(pid) for pid in job_pids(stack) - before - {job}}
    assert other in both_workers - {worker}
    asked = time.monotonic()
    await amina.type(QUESTION)
    assert await amina.wait_for_answer(asked)
    await amina.account.wait_for_kept_segments(amina.session_id, 2)
    said = [row["text"] for row in await rows.fetch(SAID, amina.session_id)]
    assert said == [QUESTION, QUESTION]


async def test_either_token_server_works_alone(
    stack: Stack,
    both_servers: tuple[str, SecondProcess],
    learner: Callable[..., Any],
    course: Course,
) -> None:
    first, second = both_servers
    account = await Account(first, "Amina Twice").sign_in()
    elsewhere = Account(second.url, "Amina Twice")
    elsewhere.http.headers["Authorization"] = account.http.headers["Authorization"]
    me = await account.get("/api/me")
    servers = set(stack.pids(r"token_server\.py $")) - {second.pid}
    with frozen(*servers):
        assert await elsewhere.get("/api/me") == me
        ticket = await elsewhere.request_join_ticket(course.modules[1].id)
        amina = await learner(elsewhere)
        await amina.join_with_ticket(ticket)
        await amina.until(amina.agents, 20, "an agent")
    os.kill(second.pid, signal.SIGKILL)
    assert await account.get("/api/me") == me
    await account.close()
    await elsewhere.close()


async def test_webhook_sent_to_both_token_servers_has_one_effect(
    stack: Stack,
    both_servers: tuple[str, SecondProcess],
    course: Course,
    rows: asyncpg.Connection,
    learner: Callable[..., Any],
) -> None:
    first, second = both_servers
    amina = await learner()
    await amina.join(course.modules[0].id)
    room = {"name": amina.room_name, "sid": await amina.room.sid}
    bodies = [
        body_of(
            event_fields(0, "room_started", int(time.time()), room, None)
            | {"id": f"EV_two_{number}"}
        )
        for number in range(20)
    ]
    async with httpx2.AsyncClient(timeout=30) as client:

        async def post(url: str, body: bytes) -> str:
            answer = await client.post(
                url + PATH, content=body, headers=headers(signature(stack.settings, body))
            )
            assert answer.status_code == 200, answer.text
            status: str = answer.json()["status"]
            return status

        statuses = await asyncio.gather(
            *(post(url, body) for body in bodies for url in (first, second.url) * 2)
        )
    assert sorted(statuses) == ["ok"] * 20 + ["repeated"] * 60
    async with asyncio.timeout(30):
        while await rows.fetchval(EFFECTS) < 20:  # noqa: ASYNC110 another process writes it
            await asyncio.sleep(0.1)
    assert await rows.fetchval(EFFECTS) == 20
