"""Lesson changes that an agent can no longer grant are refused, not left without an answer."""

import asyncio
from typing import cast
from uuid import uuid4

import pytest
from livekit import rtc

import protocol
from agent.room.lessons import Lessons, RefusedError
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


class Granting:
    """Lessons that grant every wish."""

    async def handle_lesson_change(self, _sender: str, _change: protocol.LessonChange) -> int:
        return 1


async def test_wishes_right_after_one_another_are_all_granted() -> None:
    tasks = Tasks("room_events")
    wishes = Wishes(NO_ROOM, Limits(NO_ROOM), tasks)
    wishes.start_granting(cast(Lessons, Granting()))
    lessons = [uuid4() for _ in range(3)]
    async with asyncio.timeout(10):
        held = [
            await wishes.ask_and_wait(
                "l_amina", protocol.dump(protocol.LessonChange(lesson_id=lesson_id))
            )
            for lesson_id in lessons
        ]
    assert [one.lesson_id for one in held] == lessons
    await tasks.close()
