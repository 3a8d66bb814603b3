"""What a learner who stays silent after a question hears, and when they hear nothing."""

import pytest

import protocol
from agent.talk import nudges
from tests.agent.room_parts import School, offline

NUDGE, HINT, WAIT = "Take your time", "Would you like a hint", "I will wait"


@pytest.fixture(autouse=True)
def _short_silences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudges, "FIRST_S", dict.fromkeys(nudges.FIRST_S, 0.1))


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
        amina = await school.arrives("Amina")
        await school.ask(amina, "what is a vector")
        await school.ask(amina, "quiz me")
        await school.wait_until_said(amina, WAIT, 1)
        assert school.count_said(amina, NUDGE) == 1


async def test_video_and_typing_put_it_off(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina = await school.arrives("Amina")
        playing = protocol.ActivitySet(video_playing=True)
        classroom.nudges.set_activity(amina.identity, playing)
        await school.ask(amina, "quiz me")
        classroom.nudges.set_activity(amina.identity, protocol.ActivitySet(typing=True))
        classroom.nudges.set_activity(amina.identity, protocol.ActivitySet(video_playing=False))
        assert school.count_said(amina, NUDGE) == 0
        classroom.nudges.set_activity(amina.identity, protocol.ActivitySet(typing=False))
        await school.wait_until_said(amina, NUDGE, 1)


async def test_learner_among_others_is_not_nudged(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        await school.ask(amina, "quiz me")
        tomas.connection = None
        await school.ask(amina, "repeat that")
        await school.wait_until_said(amina, WAIT, 1)
        assert school.count_said(amina, NUDGE) == 1
        assert classroom.roster.list_present() == [amina]


async def test_yes_after_a_nudge_repeats_the_question(school: School) -> None:
    async with school.agent(offline):
        amina = await school.arrives("Amina")
        question = await school.ask(amina, "quiz me")
        await school.wait_until_said(amina, "Shall I say it another way", 1)
        assert await school.ask(amina, "yes") == question


async def test_yes_after_the_offer_of_a_hint_gives_one(school: School) -> None:
    async with school.agent(offline):
        amina = await school.arrives("Amina")
        await school.ask(amina, "quiz me")
        await school.wait_until_said(amina, HINT, 1)
        assert "A hint:" in await school.ask(amina, "yes")
