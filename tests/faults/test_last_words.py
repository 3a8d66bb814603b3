"""Words said just before a learner leaves or the room closes are recognised and kept."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from livekit import api

from tests.room.conftest import Course
from tests.soak import SOAK

PHRASE = "what is overfitting"
HALF = timedelta(seconds=0.5)  # into the phrase, after any noise from joining
SENT_S = 0.1  # how far the learner's microphone lags behind
WAITS_S = [0.0, 0.25, 0.5] * 20 if SOAK else [0.0]
SINCE = """select count(*) from transcript_segments
           where session_id = $1::uuid and role = 'learner' and ended_at > $2"""


async def kept(rows: asyncpg.Connection, session_id: str, since: datetime) -> None:
    """Waits until something the learner said since then is stored. Raises TimeoutError."""
    async with asyncio.timeout(12):
        while not await rows.fetchval(SINCE, session_id, since):  # noqa: ASYNC110 the drainer's
            await asyncio.sleep(0.1)


@pytest.mark.timeout(1800)
async def test_last_words_before_a_learner_leaves_or_the_room_closes_are_kept(
    learner: Callable[..., Any],
    course: Course,
    fresh_room: Callable[..., Any],
    livekit: api.LiveKitAPI,
    rows: asyncpg.Connection,
) -> None:
    module = course.modules[1]
    await fresh_room(module)
    amina = await learner()
    for wait_s in [*WAITS_S, None]:
        await amina.join_past_greeting(module.id, module.lessons[1]["id"])
        began = datetime.now(UTC)
        await amina.say(PHRASE)
        await asyncio.sleep(SENT_S + (wait_s or 0))
        if wait_s is None:
            await livekit.room.delete_room(api.DeleteRoomRequest(room=amina.room_name))
        else:
            await amina.leave()
        await kept(rows, amina.session_id, began + HALF)
        amina = await learner(amina.account)
