"""When a spoken turn is over: each learner's own wait, and pauses inside a turn."""

import asyncio
import json
from collections.abc import AsyncGenerator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from agent.room.learner import Learner
from agent.room.participant_voice import HeardUtterance
from agent.talk.classroom import Classroom
from agent.talk.conversations import Conversation, Conversations
from agent.talk.open_turns import TOGETHER_S, OpenTurns, with_timeouts
from agent.talk.turns import Turn
from harness.provider import ModelServer
from tests.agent.room_parts import Remote, School, offline, prompt_of
from tests.agent.waiting import until


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> OpenTurns:
    nothing_said = SimpleNamespace(
        conversation_of=lambda _identity: Conversation(), is_erased=lambda _turn: False
    )
    return OpenTurns(cast("Conversations", nothing_said), clock=clock)


def learner(name: str) -> Learner:
    return Learner(identity=f"l_{name}", account_id=uuid4(), name=name, lesson_id=None)


def say(turns: OpenTurns, by: Learner, text: str, started_at: float, ended_at: float) -> None:
    heard = HeardUtterance("final", by.identity, uuid4().hex, started_at, ended_at, text=text)
    turns.add(heard, Turn(by, heard.segment_id, text))


def texts(turns: OpenTurns) -> list[str]:
    return [own.text for own in turns.take_over()]


def test_whole_sentence_ends_its_turn_soon_and_an_unfinished_one_later(
    turns: OpenTurns, clock: Clock
) -> None:
    amina = learner("amina")
    say(turns, amina, "What is a vector?", 998.0, 999.9)
    assert turns.seconds_left() == pytest.approx(0.15)
    clock.now += 0.3
    assert texts(turns) == ["What is a vector?"]
    clock.now = 1002.5
    say(turns, amina, "It is the", 1001.0, 1002.0)
    assert texts(turns) == []
    assert turns.seconds_left() == pytest.approx(3.6)


def test_speech_after_a_pause_belongs_to_the_same_turn_and_the_pause_is_remembered(
    turns: OpenTurns, clock: Clock
) -> None:
    amina = learner("amina")
    say(turns, amina, "It falls because", 998.0, 999.9)
    clock.now = 1003.0
    say(turns, amina, "the slope is negative.", 1001.1, 1002.0)
    assert texts(turns) == ["It falls because the slope is negative."]
    assert turns.seconds_left() is None
    assert 1.2 <= amina.pauses.usual_s <= 2.5


def test_learner_who_goes_on_and_on_does_not_delay_the_answer_to_another(
    turns: OpenTurns, clock: Clock
) -> None:
    amina, tomas = learner("amina"), learner("tomas")
    say(turns, amina, "What is a vector?", 998.0, 999.9)
    say(turns, tomas, "and", 999.0, 1000.0)
    clock.now += 0.3
    assert texts(turns) == ["What is a vector?"]
    assert turns.seconds_left() == pytest.approx(3.8)


def test_turns_that_end_at_nearly_the_same_time_are_answered_together(
    turns: OpenTurns, clock: Clock
) -> None:
    say(turns, learner("amina"), "What is a vector?", 998.0, 999.9)
    say(turns, learner("tomas"), "What is a label?", 998.0, 999.9 + TOGETHER_S - 0.1)
    clock.now += 0.3
    assert texts(turns) == ["What is a vector?", "What is a label?"]


def test_speech_heard_late_is_not_waited_for(turns: OpenTurns) -> None:
    say(turns, learner("amina"), "It is the", 900.0, 901.0)
    assert texts(turns) == ["It is the"]


async def test_timeout_is_told_apart_from_an_item_and_loses_none() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def items() -> AsyncGenerator[int, None]:
        while True:
            yield await queue.get()

    timeouts: list[float | None] = [0.0, None, None]
    source: Any = with_timeouts(items(), lambda: timeouts.pop(0))
    assert await anext(source) is None
    queue.put_nowait(1)
    assert await anext(source) == 1
    queue.put_nowait(2)
    assert await anext(source) == 2
    await source.aclose()


async def test_continuation_of_a_turn_answered_too_early_is_answered_with_it_as_a_whole(
    school: School, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina = await school.arrives("Amina")
        school.begins_to_speak(amina)
        first = school.has_said(amina, "what is a label.")
        await until(lambda: amina.newest_speech)
        too_early = amina.newest_speech
        provider.mend()
        school.begins_to_speak(amina)
        last = school.has_said(amina, "and a feature.")
        await until(lambda: amina.newest_speech is not too_early)
        assert amina.newest_speech is not None
        await asyncio.wait_for(amina.newest_speech.wait_for_playout(), 20)
        await classroom.tutor_captions.wait_until_recorded()
        own = classroom.conversations.conversation_of(amina.identity).own
    assert [one.id for one in own if not one.by_tutor] == [first, last]
    assert {one.in_reply_to for one in own if one.by_tutor} == {last}
    assert "<user> what is a label. and a feature." in prompt_of(provider.requests[-1])


async def test_words_erased_while_their_turn_goes_on_reach_no_provider(
    school: School, provider: ModelServer
) -> None:
    async with school.agent(Remote(provider, school.settings)) as classroom:
        amina = await school.arrives("Amina")
        school.begins_to_speak(amina)
        school.has_said(amina, "my secret is plums")
        school.begins_to_speak(amina)
        await until(lambda: provider.served["llm"])
        await school.erase(amina)
        await classroom.erasures.reread()
        provider.reset()
        last = school.has_said(amina, "what is a label", lasted_s=0.0)  # begun after the erasure
        await until(lambda: answered(school, amina, last))
    assert provider.requests
    assert not any("plums" in prompt_of(request) for request in provider.requests)


def answered(school: School, learner: Learner, segment_id: str) -> bool:
    own = school.classroom.conversations.conversation_of(learner.identity).own
    return any(one.in_reply_to == segment_id for one in own)


async def test_learner_who_has_not_finished_is_told_that_the_tutor_waits_and_nobody_else_is(
    school: School,
) -> None:
    async with school.agent(offline):
        amina, _ = await school.arrives("Amina"), await school.arrives("Tomas")
        for text in ("What is a label?", "It is the"):
            school.begins_to_speak(amina)
            school.has_said(amina, text)
        await until(lambda: waits(school))
        school.begins_to_speak(amina)  # the turn goes on
    ((payload, to),) = waits(school)
    assert to == [amina.identity]
    assert 1.0 <= json.loads(payload)["seconds"] <= 4.1


async def test_error_while_an_utterance_is_handled_costs_no_answer(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    async with school.agent(offline) as classroom:
        amina = await school.arrives("Amina")
        monkeypatch.setattr(classroom.prepared_answers, "prepare", fail)
        for question in ("What is a label?", "What is a feature?"):
            school.begins_to_speak(amina)
            said = school.has_said(amina, question)
            await until(partial(is_answered, classroom, amina, said))


def is_answered(classroom: Classroom, learner: Learner, segment_id: str) -> bool:
    own = classroom.conversations.conversation_of(learner.identity).own
    return any(one.by_tutor and one.in_reply_to == segment_id for one in own)


def waits(school: School) -> list[tuple[str, list[str]]]:
    return [(payload, to) for topic, payload, to in school.room.messages if topic == "turn.waiting"]
