"""Network cuts: the same agent continues, greets nobody twice, and no word is missing."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
from livekit import rtc

from harness.learner import Caption, Learner
from harness.processes import frozen
from harness.stack import Stack
from tests.room.conftest import Course
from tests.soak import SOAK

Cut = Callable[[Learner, Stack], Awaitable[None]]

BACK_S = 60.0
HEARD_S = 10.0
PAUSE_S = 1.0  # else the phrase joins the utterance of the cut
WELCOMES = ("hello", "welcome", "good to see you")
BEFORE = "what is machine learning"
AFTER = "what is the loss function"
MISSING = """select max(local_seq) - count(*) from transcript_segments
             where session_id = $1::uuid group by epoch"""


async def scenario(kind: Any, learner: Learner, stack: Stack) -> None:
    """Lets the SDK break its own connection and reconnect."""
    await learner.room.simulate_scenario(kind)


async def stopped_server(seconds: float, learner: Learner, stack: Stack) -> None:
    """Freezes the media server: nothing comes through, for learner and agent."""
    (pid,) = stack.pids(r"livekit-server --config")
    with frozen(pid):
        await asyncio.sleep(seconds)


KINDS = rtc.SimulateScenarioKind
SMALL: list[Cut] = [
    partial(scenario, KINDS.SIMULATE_SIGNAL_RECONNECT),
    partial(scenario, KINDS.SIMULATE_FULL_RECONNECT),
    partial(scenario, KINDS.SIMULATE_NODE_FAILURE),
    partial(stopped_server, 2.0),
]
CUTS_S = (2.0, 10.0, 60.0)
LONG = [partial(stopped_server, seconds) for seconds in CUTS_S * 10]
CUTS = SMALL + LONG if SOAK else SMALL


async def test_network_cuts_cause_no_second_greeting_no_other_agent_and_no_gap(
    stack: Stack, arrived: Callable[..., Any], course: Course, rows: asyncpg.Connection
) -> None:
    amina = await arrived(course.modules[0])
    (agent,) = amina.agents()
    for cut in CUTS:
        speaking = asyncio.create_task(amina.say(BEFORE))  # the cut comes mid-phrase
        await cut(amina, stack)
        await speaking
        await asyncio.sleep(PAUSE_S)
        await hear_again(amina)
        assert amina.agents() == [agent]
    await amina.leave()
    finals = [caption for caption in amina.own_captions() if caption.final]
    said = await amina.account.wait_for_kept_segments(amina.session_id, len(finals))
    assert [(one["id"], one["text"]) for one in said] == [(c.segment_id, c.text) for c in finals]
    assert sum(is_welcome(caption) for caption in amina.tutor_captions()) == 1
    assert [row[0] for row in await rows.fetch(MISSING, amina.session_id)] == [0]


async def hear_again(amina: Learner) -> None:
    """Repeats a phrase until it is captioned and answered; the cut may swallow the first."""
    since = time.monotonic()

    def captioned() -> list[Caption]:
        return [c for c in amina.own_captions(since) if c.final and c.text == AFTER]

    async with asyncio.timeout(BACK_S):
        while not captioned():
            await amina.say(AFTER)
            with contextlib.suppress(AssertionError):
                await amina.until(captioned, HEARD_S)
    assert await amina.wait_for_answer(captioned()[0].at)


def is_welcome(caption: Caption) -> bool:
    return caption.text.strip().lower().startswith(WELCOMES)
