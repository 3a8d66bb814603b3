"""An answer is prepared while a turn may go on, and leaves no trace if it does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from livekit.agents import llm

from agent.room.events import Left
from agent.room.learner import Learner
from agent.talk.prepared_answers import PreparedAnswers
from agent.text.lines import Speech
from harness.provider import ModelServer
from tests.agent.room_parts import Remote, School, offline, prompt_of
from tests.agent.waiting import until


async def prepared() -> None:
    """Waits until an answer is being prepared, then for its end."""
    async with asyncio.timeout(20):
        while True:
            if tasks := preparing():
                await asyncio.wait(tasks)
                return
            await asyncio.sleep(0)


def preparing() -> "list[asyncio.Task[Any]]":
    return [one for one in asyncio.all_tasks() if one.get_name() == "prepared answer"]


async def endless_answer(_context: llm.ChatContext) -> AsyncIterator[str]:
    yield "It is"
    await asyncio.Event().wait()


async def until_told(school: School, learner: Learner, segment_id: str) -> None:
    await until(lambda: segment_id in told(school, learner))


def told(school: School, learner: Learner) -> list[str | None]:
    """The segments to which the tutor has replied."""
    own = school.classroom.conversations.conversation_of(learner.identity).own
    return [one.in_reply_to for one in own if one.by_tutor]


async def test_answer_prepared_for_a_turn_that_goes_on_is_thrown_away(
    school: School, provider: ModelServer
) -> None:
    async with school.agent(Remote(provider, school.settings)):
        amina = await school.arrives("Amina")
        school.begins_to_speak(amina)
        school.has_said(amina, "what is a label")
        school.begins_to_speak(amina)
        await until(lambda: provider.served["llm"])
        assert told(school, amina) == []
        assert amina.last_answer == ""
        last = school.has_said(amina, "and what is a vector")
        await until(lambda: told(school, amina))
        assert set(told(school, amina)) == {last}
        assert len(provider.requests) == 2
        assert "<user> what is a label and what is a vector" in prompt_of(provider.requests[1])
        assert "<assistant>" not in prompt_of(provider.requests[1])


async def test_answer_prepared_for_the_whole_turn_is_spoken_and_not_asked_for_again(
    school: School, provider: ModelServer
) -> None:
    async with school.agent(Remote(provider, school.settings)):
        amina = await school.arrives("Amina")
        for number in (1, 2):
            school.begins_to_speak(amina)
            segment = school.has_said(amina, "what is a label")
            await until_told(school, amina, segment)
            assert len(provider.requests) == number


async def test_tools_of_a_prepared_answer_are_called_when_the_turn_is_over(
    school: School, provider: ModelServer
) -> None:
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina = await school.arrives("Amina")
        library = classroom.desk.library
        assert amina.lesson_id is not None
        school.begins_to_speak(amina)
        school.has_said(amina, "quiz me")
        school.begins_to_speak(amina)
        await until(lambda: provider.served["llm"])
        assert (await library.get_quiz_run(amina.account_id, amina.lesson_id)).pending is None
        last = school.has_said(amina, "please")
        await until_told(school, amina, last)
        assert (await library.get_quiz_run(amina.account_id, amina.lesson_id)).pending is not None


async def test_offline_tutor_that_prepares_an_answer_does_not_move_the_topic(
    school: School,
) -> None:
    async with school.agent(offline):
        amina = await school.arrives("Amina")
        await school.ask(amina, "what is a vector")
        place = amina.place
        school.begins_to_speak(amina)
        school.has_said(amina, "what is a label")
        school.begins_to_speak(amina)
        await prepared()
        assert amina.place is place
        last = school.has_said(amina, "please")
        await until_told(school, amina, last)
        assert amina.place is not place


async def test_answer_that_another_turn_finds_prepared_is_thrown_away() -> None:
    answers = PreparedAnswers()
    amina = Learner(identity="l_amina", account_id=uuid4(), name="Amina", lesson_id=None)
    context, turn = llm.ChatContext.empty(), Speech(amina.identity, ["1-1"])
    answers.prepare(amina, turn, context, endless_answer)
    (task,) = preparing()
    assert answers.take(amina, Speech(amina.identity, ["1-2"]), context) is None
    await asyncio.wait([task], timeout=20)
    assert task.cancelled()
    assert answers.take(amina, turn, context) is None


async def test_answer_prepared_for_a_learner_who_leaves_is_thrown_away(
    school: School, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina = await school.arrives("Amina")
        school.begins_to_speak(amina)
        school.has_said(amina, "what is a label")
        school.begins_to_speak(amina)
        await until(preparing)
        (task,) = preparing()
        await classroom.learner_left(Left(amina.identity, "PA_Amina"))
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()
        provider.mend()


async def test_without_preparing_the_model_is_asked_once_the_turn_is_over(
    school: School, provider: ModelServer
) -> None:
    async with school.agent(Remote(provider, school.settings), prepares=False):
        amina = await school.arrives("Amina")
        school.begins_to_speak(amina)
        school.has_said(amina, "what is a label")
        school.begins_to_speak(amina)
        last = school.has_said(amina, "and what is a vector")
        await until_told(school, amina, last)
        assert len(provider.requests) == 1
