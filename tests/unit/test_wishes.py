"""Lesson changes that an agent can no longer grant are refused, not left without an answer."""

import asyncio
from typing import cast
from uuid import uuid4

import pytest
from livekit import rtc

import protocol
from agent.room.lessons import RefusedError
from agent.room.limits import Limits
from agent.room.tasks import Tasks
from agent.room.wishes import Wishes

NO_ROOM = cast(rtc.Room, None)  # a remote call gets its answer without it


@pytest.mark.parametrize("late", [False, True])
async def test_wish_of_an_agent_that_leaves_is_refused(late: bool) -> None:
    tasks = Tasks("room_events")
    wishes = Wishes(NO_ROOM, Limits(NO_ROOM), tasks)
    payload = protocol.dump(protocol.LessonChange(lesson_id=uuid4()))
    if late:
        await tasks.close()
    asking = asyncio.create_task(wishes.ask_and_wait("l_amina", payload))
    if not late:
        await asyncio.wait({asking}, timeout=0.01)
        await tasks.close()
    async with asyncio.timeout(10):
        with pytest.raises(RefusedError, match="the tutor has left"):
            await asking
