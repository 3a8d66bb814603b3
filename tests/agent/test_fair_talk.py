"""One learner of a room does not keep the tutor from talking to the others."""

import asyncio
from collections.abc import AsyncIterator
from time import time
from uuid import uuid4

from livekit import rtc
from livekit.agents import ModelSettings, llm
from livekit.agents.voice import SpeechHandle

import prompts
from agent.durable.journal import NOT_HEARD, Utterance
from agent.room.events import Joined, Left
from agent.room.learner import Learner
from agent.room.participant_voice import HeardUtterance
from agent.room.rates import RATES
from agent.talk.classroom import Classroom
from agent.talk.turn_taking import LEAD
from agent.talk.turns import Turn
from harness.provider import ModelServer
from tests.agent.room_parts import Remote, School, offline
from tests.agent.waiting import until


async def test_reply_that_a_classmates_voice_cut_before_its_first_word_is_said_after_all(
    school: School, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        cut = await ask_and_cut(school, amina)
        provider.mend()
        speak(classroom, tomas)
        assert amina.newest_speech is not None
        assert amina.newest_speech is not cut
        await asyncio.wait_for(amina.newest_speech.wait_for_playout(), 20)
        assert school.answer(amina)


async def test_reply_that_made_way_for_another_question_is_said_after_its_answer(
    school: School, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        for _ in range(LEAD):
            await ask_and_cut(school, amina, on_purpose=True)
        classroom.tutor_speech.start_reply_to_turn(amina, ["t-1"], "what is a vector")
        cut = amina.newest_speech
        provider.mend()
        assert await school.ask(tomas, "what is a label")
        assert cut is not None
        assert cut.interrupted
        assert amina.newest_speech is not None
        assert amina.newest_speech is not cut
        await asyncio.wait_for(amina.newest_speech.wait_for_playout(), 20)
        assert school.answer(amina)


async def test_reply_that_its_own_learner_cut_is_not_said_again(
    school: School, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        cut = await ask_and_cut(school, amina)
        speak(classroom, amina)
        speak(classroom, tomas)
        assert amina.newest_speech is cut
        stopped = await ask_and_cut(school, amina, on_purpose=True)
        speak(classroom, tomas)
        assert amina.newest_speech is stopped


async def test_tutor_is_speaking_to_others_from_their_question_to_the_end_of_the_reply(
    school: School, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        speech = classroom.tutor_speech
        assert not speech.is_speaking_to_others(tomas.identity)
        speech.start_reply_to_turn(amina, ["t-1"], "what is a vector")
        assert speech.is_speaking_to_others(tomas.identity)
        assert not speech.is_speaking_to_others(amina.identity)
        assert amina.newest_speech is not None
        amina.newest_speech.interrupt()
        await asyncio.wait_for(amina.newest_speech.wait_for_playout(), 20)
        assert not speech.is_speaking_to_others(tomas.identity)


async def ask_and_cut(
    school: School, learner: Learner, *, on_purpose: bool = False
) -> SpeechHandle:
    """Asks, and interrupts the reply as the voice of a classmate would, or the learner's page."""
    asking = asyncio.create_task(school.ask(learner, "what is a vector", uuid4().hex))
    before = learner.newest_speech
    await until(lambda: learner.newest_speech is not before)
    cut = learner.newest_speech
    assert cut is not None
    if on_purpose:
        school.classroom.tutor_speech.stop_speech_to(learner.identity)
    else:
        cut.interrupt()
    assert await asking == ""
    return cut


def speak(classroom: Classroom, learner: Learner) -> None:
    """The end of a spoken turn, as the agent session reports it."""
    classroom.turns.queue_turns([Turn(learner, uuid4().hex, "what is a label")])
    classroom.turns.bind_reply(llm.ChatMessage(role="user", content=["what is a label"]))


async def test_joining_again_and_again_is_welcomed_a_few_times_only(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina = await school.arrives("Amina")
        for number in range(12):  # each replaces the one before, so somebody is always listening
            await classroom.learner_joined(Joined(amina.identity, f"PA_{number + 1}"))
            await classroom.learner_left(Left(amina.identity, f"PA_{number}"))
        await school.wait_until_said(amina, "Amina", RATES["welcome"].burst)
        assert school.lease.heartbeats == RATES["welcome"].burst


async def test_speech_that_is_not_recognised_is_mentioned_a_few_times_only(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina, burst = await school.arrives("Amina"), RATES["apology"].burst
        line = prompts.render("not_heard")
        for number in range(12):
            gap = Utterance(f"1-{number}", NOT_HEARD, "voice", time(), time())
            await classroom.turns.store_gap_and_say_so(amina.identity, gap, line)
            await classroom.turns.ask_to_wait(amina.identity)
        await school.wait_until_said(amina, "I could not hear that", burst - 1)
        await school.ask(amina, "what is a vector")
        assert school.count_said(amina, "I could not hear that") == burst - 1


async def test_speech_in_another_language_is_not_answered_as_if_it_had_been_understood(
    school: School,
) -> None:
    async with school.agent(offline):
        amina, now = await school.arrives("Amina"), time()
        gap = HeardUtterance("missed", amina.identity, "1-9", now - 2, now, language="de")
        school.floor.on_utterance(gap)
        events = aiter(school.tutor.stt_node(nothing(), ModelSettings()))
        listening = asyncio.ensure_future(anext(events))
        await school.wait_until_said(amina, "I only understand English", 1)
        assert not listening.done()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def nothing() -> AsyncIterator[rtc.AudioFrame]:
    return
    yield


async def test_lessons_changed_by_asking_are_limited_like_those_changed_on_the_page(
    school: School,
) -> None:
    async with school.agent(offline):
        amina = await school.arrives("Amina")
        for _ in range(RATES["lesson"].burst):
            assert school.limits.rates.allow(amina.identity, "lesson")
        lesson_id = amina.lesson_id
        assert "too often" in await school.ask(amina, "go to lesson 2")
        assert amina.lesson_id == lesson_id


async def test_many_lines_to_one_learner_do_not_delay_those_to_another(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        order: list[str] = []

        async def say(learner: Learner, text: str) -> None:
            await classroom.tutor_speech.say(text, learner)
            order.append(learner.name)

        many = [say(tomas, f"Line {number}.") for number in range(6)]
        await asyncio.wait_for(asyncio.gather(*many, say(amina, "Hello.")), 20)
        assert order.index("Amina") <= 1


async def test_line_that_is_no_longer_due_is_not_said(school: School) -> None:
    async with school.agent(offline) as classroom:
        amina = await school.arrives("Amina")
        await classroom.tutor_speech.say("Old news.", amina, still_due=lambda: False)
        await classroom.tutor_speech.say("News.", amina)
        await school.wait_until_said(amina, "News.", 1)
        assert school.count_said(amina, "Old news.") == 0
