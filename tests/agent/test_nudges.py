"""What a learner who stays silent after a question hears, and when they hear nothing."""

import asyncio
from typing import Any

import pytest

import protocol
from agent.room.learner import Learner
from agent.talk import nudges
from agent.talk.classroom import Classroom
from tests.agent.room_parts import School, offline

NUDGE, HINT, WAIT = "Take your time", "Would you like a hint", "I will wait"


@pytest.fixture(autouse=True)
def _no_silences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that nothing puts off is begun at once, so that one too many is seen."""
    monkeypatch.setattr(nudges, "FIRST_S", dict.fromkeys(nudges.FIRST_S, 0.0))


def speeches_of(school: School) -> list[Any]:
    """All that the tutor begins to say from now on."""
    begun: list[Any] = []
    school.session.on("speech_created", begun.append)
    return begun


def sets(classroom: Classroom, learner: Learner, **activity: bool) -> None:
    classroom.nudges.set_activity(learner.identity, protocol.ActivitySet(**activity))


async def all_tasks_ran() -> None:
    """Returns when all that is due was begun: far more turns of the loop than that takes."""
    for _ in range(200):
        await asyncio.sleep(0)


def types_from_speech(school: School, learner: Learner, number: int) -> None:
    """The learner begins to type during this speech, so that no line follows it."""
    begun = speeches_of(school)

    def type_at_last(_event: object) -> None:
        if len(begun) == number:
            sets(school.classroom, learner, typing=True)

    school.session.on("speech_created", type_at_last)


async def test_nudge_then_a_hint_then_a_promise_to_wait(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina = await school.arrives("Amina")
        await school.ask(amina, "quiz me")
        await school.wait_until_said(amina, WAIT, 1)
        said = [one.text for one in classroom.conversations.conversation_of(amina.identity).own]
        begin = said.index("Take your time.")
        assert said[begin : begin + 5] == [
            "Take your time.",
            "Shall I say it another way?",
            "No hurry.",
            "Would you like a hint?",
            "I will wait.",
        ]


async def test_answer_without_a_question_is_followed_by_silence(school: School) -> None:
    async with school.agent(offline):
        amina, begun = await school.arrives("Amina"), speeches_of(school)
        await school.ask(amina, "what is a vector")
        await all_tasks_ran()
        assert len(begun) == 1
        await school.ask(amina, "quiz me")
        await school.wait_until_said(amina, WAIT, 1)
        assert school.count_said(amina, NUDGE) == 1


async def test_video_and_typing_put_it_off(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina, begun = await school.arrives("Amina"), speeches_of(school)
        sets(classroom, amina, video_playing=True)
        await school.ask(amina, "quiz me")
        await all_tasks_ran()
        assert len(begun) == 1
        sets(classroom, amina, typing=True)
        sets(classroom, amina, video_playing=False)
        await all_tasks_ran()
        assert len(begun) == 1
        sets(classroom, amina, typing=False)
        await school.wait_until_said(amina, NUDGE, 1)


async def test_learner_among_others_is_not_nudged(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        begun = speeches_of(school)
        await school.ask(amina, "quiz me")
        await all_tasks_ran()
        assert len(begun) == 1
        tomas.connection = None
        await school.ask(amina, "repeat that")
        await school.wait_until_said(amina, WAIT, 1)
        assert school.count_said(amina, NUDGE) == 1
        assert classroom.roster.list_present() == [amina]


async def test_yes_after_a_nudge_repeats_the_question(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina = await school.arrives("Amina")
        sets(classroom, amina, typing=True)
        question = await school.ask(amina, "quiz me")
        types_from_speech(school, amina, 1)
        sets(classroom, amina, typing=False)
        await school.wait_until_said(amina, "Shall I say it another way", 1)
        assert await school.ask(amina, "yes") == question


async def test_yes_after_the_offer_of_a_hint_gives_one(school: School) -> None:
    async with school.agent(offline):
        amina = await school.arrives("Amina")
        types_from_speech(school, amina, 3)
        await school.ask(amina, "quiz me")
        await school.wait_until_said(amina, HINT, 1)
        assert "A hint:" in await school.ask(amina, "yes")
