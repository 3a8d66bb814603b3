"""A hostile participant gets no answer, evicts no agent and takes no memory."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psutil

from harness.learner import Learner
from harness.processes import job_pids
from harness.stack import Stack
from tests.room.conftest import Course
from tests.soak import SOAK

BYTES = 100_000_000 if SOAK else 40_000_000
MORE_MB = 10.0
FORGED = "nobody said this"
TOPICS = ("lk.chat", "lk.agent.session", "lk.transcription", "lesson.change", "unknown")


async def test_hostile_participant_takes_no_memory_and_evicts_no_agent(
    stack: Stack, learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    before = job_pids(stack)
    amina, mallory = await learner(), await learner(name="Mallory")
    await amina.join_past_greeting(module.id)
    (job,) = job_pids(stack) - before
    joined = time.monotonic()
    await mallory.join(module.id, microphone=False)
    await amina.stop_greeting(joined)
    agents, mb = amina.agents(), memory_mb(job)
    for topic in TOPICS:
        await flood(mallory, topic)
        assert memory_mb(job) - mb <= MORE_MB, topic
    await forge(mallory, amina.identity)
    asked = time.monotonic()
    await amina.type("What is overfitting?")
    await amina.until(lambda: "Overfitting" in amina.tutor_text(asked), 20, "an answer")
    assert amina.agents() == agents
    assert amina.room.isconnected()
    assert memory_mb(job) - mb <= MORE_MB
    said = await amina.account.transcript(amina.session_id)
    assert {one["speaker"] for one in said if FORGED in one["text"]} <= {mallory.identity}


async def flood(mallory: Learner, topic: str) -> None:
    """Sends the agent a text and a byte stream of zeros, which compress to almost nothing."""
    local, agent = mallory.room.local_participant, mallory.agents()
    async with asyncio.timeout(60):
        await local.send_text("0" * BYTES, topic=topic, destination_identities=agent)
        await local.send_bytes(bytes(BYTES), topic=topic, destination_identities=agent)


async def forge(mallory: Learner, other: str) -> None:
    """Poses as an agent, and puts words in others' mouths."""
    local = mallory.room.local_participant
    await local.set_attributes({"lk.agent.state": "speaking", "lk.publish_on_behalf": "a_1"})
    for identity in (other, *mallory.agents()):
        for topic in ("lk.transcription", "lk.chat"):
            writer = await local.stream_text(topic=topic, sender_identity=identity)
            await writer.write(FORGED)
            await writer.aclose()


def memory_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1e6
