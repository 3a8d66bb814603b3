"""Each tutor room gets exactly one agent, in whatever order things happen."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from livekit import api

from agent.models.espeak import RATE as VOICE_RATE
from harness.learner import FILLER
from harness.learner import RATE as MICROPHONE_RATE
from harness.stack import Stack
from harness.voices import resampled, synthesise_cached
from tests.room.conftest import Course, Module
from tests.soak import SOAK

TURNS = range(10 if SOAK else 1)  # of each order
SETTLE_S = 2.5  # long enough for a second agent to appear


@pytest.fixture
async def module(course: Course, fresh_room: Callable[..., Any]) -> Module:
    """The second module, whose room is closed."""
    module = course.modules[1]
    await fresh_room(module)
    return module


async def first_agent(learner: Any) -> str:
    """The first agent that the learner sees."""
    agents: list[str] = await learner.until(learner.agents, 15, "an agent")
    return agents[0]


async def one_agent(learner: Any) -> str:
    """The only agent that the learner sees, now and after a while."""
    await first_agent(learner)
    await asyncio.sleep(SETTLE_S)
    agents = learner.agents()
    assert len(agents) == 1
    found: str = agents[0]
    return found


@pytest.mark.parametrize("turn", TURNS)
async def test_room_that_exists_before_the_learner_joins(
    turn: int, learner: Callable[..., Any], course: Course, module: Module, livekit: api.LiveKitAPI
) -> None:
    name = course.room_name(module)
    await livekit.room.create_room(api.CreateRoomRequest(name=name, empty_timeout=600))
    amina = await (await learner()).join(module.id)
    await one_agent(amina)


@pytest.mark.parametrize("turn", TURNS)
async def test_learner_leaves_and_returns_while_the_room_is_open(
    turn: int, learner: Callable[..., Any], module: Module
) -> None:
    amina = await (await learner()).join(module.id)
    first = await one_agent(amina)
    session = amina.session_id
    await amina.leave()
    again = await (await learner(amina.account)).join(module.id)
    assert await one_agent(again) == first
    assert again.session_id == session


@pytest.mark.parametrize("turn", TURNS)
async def test_learner_returns_after_the_room_was_closed(
    turn: int, learner: Callable[..., Any], module: Module, fresh_room: Callable[..., Any]
) -> None:
    amina = await (await learner()).join(module.id)
    first = await one_agent(amina)
    await amina.leave()
    await fresh_room(module)
    again = await (await learner(amina.account)).join(module.id)
    assert await one_agent(again) != first
    assert again.session_id != amina.session_id


@pytest.mark.parametrize("turn", TURNS)
async def test_learner_whose_join_creates_the_room(
    turn: int, learner: Callable[..., Any], module: Module
) -> None:
    await one_agent(await (await learner()).join(module.id))


@pytest.mark.parametrize("turn", TURNS)
async def test_token_requested_long_before_the_learner_joins(
    turn: int, learner: Callable[..., Any], module: Module
) -> None:
    amina = await learner()
    token = await amina.account.request_join_ticket(module.id)
    await asyncio.sleep(SETTLE_S)  # the agent is there before anybody else
    await one_agent(await amina.join_with_ticket(token))


@pytest.mark.parametrize("turn", TURNS)
async def test_learner_without_a_microphone_first(
    turn: int, learner: Callable[..., Any], module: Module
) -> None:
    silent, speaking = await learner(), await learner(name="Tomas")
    await silent.join(module.id, microphone=False)
    agent = await first_agent(silent)
    await speaking.join(module.id)
    assert await one_agent(speaking) == agent


@pytest.mark.parametrize("turn", TURNS)
async def test_admin_first(
    turn: int, learner: Callable[..., Any], person: Callable[..., Any], module: Module
) -> None:
    admin = await learner(await person("Head", role="admin"))
    agent = await first_agent(await admin.join(module.id))
    amina = await (await learner()).join(module.id)
    assert await one_agent(amina) == agent


@pytest.mark.parametrize("turn", TURNS)
async def test_learner_joins_as_soon_as_a_killed_media_server_is_back(
    turn: int, stack: Stack, learner: Callable[..., Any], module: Module, livekit: api.LiveKitAPI
) -> None:
    (pid,) = stack.pids(r"livekit-server --config")
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while not await answers(livekit):  # noqa: ASYNC110 another process starts it
            await asyncio.sleep(0.1)
    await one_agent(await (await learner()).join(module.id))


async def answers(livekit: api.LiveKitAPI) -> bool:
    """Whether the media server answers."""
    try:
        await livekit.room.list_rooms(api.ListRoomsRequest())
    except (aiohttp.ClientError, api.ServerError):
        return False
    return True


@pytest.mark.parametrize("turn", TURNS)
async def test_reload_keeps_the_agent_and_brings_no_second_welcome(
    turn: int, learner: Callable[..., Any], module: Module
) -> None:
    joined = time.monotonic()
    amina = await (await learner()).join(module.id)
    welcome = await amina.tutor_done(joined)
    first = await first_agent(amina)
    await amina.leave()
    reloaded = time.monotonic()
    again = await (await learner(amina.account)).join(module.id)
    line = await again.tutor_done(reloaded)
    assert await one_agent(again) == first
    assert line.startswith("I am back")
    assert line != welcome
    _, ended = await again.say("what is overfitting")
    assert "overfitting" in (await again.tutor_done(ended)).lower()


@pytest.mark.parametrize("turn", TURNS)
async def test_two_learners_at_once_share_one_agent(
    turn: int, learner: Callable[..., Any], module: Module
) -> None:
    amina, tomas = await learner(), await learner(name="Tomas")
    await asyncio.gather(amina.join(module.id), tomas.join(module.id))
    seen = await asyncio.gather(one_agent(amina), one_agent(tomas))
    assert seen[0] == seen[1]


async def test_two_learners_are_both_heard_under_their_own_name_and_on_their_own_lesson(
    learner: Callable[..., Any], module: Module
) -> None:
    first, second = module.lessons[0], module.lessons[1]
    amina, tomas = await learner(), await learner(name="Tomas")
    await amina.join_past_greeting(module.id, first["id"])
    await tomas.join_past_greeting(module.id, second["id"])
    for one, lesson in ((tomas, second), (amina, first), (tomas, second)):
        _, ended = await one.say("what is this lesson about")
        answer = await one.tutor_done(ended)
        assert lesson["title"].lower() in answer.lower()
        captions = [c for c in one.own_captions() if c.final]
        assert captions[-1].text == "what is this lesson about"
    said = await amina.account.wait_for_kept_segments(amina.session_id, 3)
    assert [(s["speaker"], s["lessonId"]) for s in said] == [
        (tomas.identity, second["id"]),
        (amina.identity, first["id"]),
        (tomas.identity, second["id"]),
    ]


async def test_learners_who_speak_at_once_are_each_answered_even_after_replacing_a_microphone(
    learner: Callable[..., Any], module: Module
) -> None:
    first, second = module.lessons[0], module.lessons[1]
    amina, tomas = await learner(), await learner(name="Tomas")
    await amina.join_past_greeting(module.id, first["id"])
    await tomas.join_past_greeting(module.id, second["id"])
    question = "what is this lesson about"
    began = time.monotonic()
    words = await synthesise_cached("i do not understand the learning rate")
    cut = resampled(words[: len(words) * 6 // 10], VOICE_RATE, MICROPHONE_RATE)

    async def replace_in_mid_word() -> None:
        await amina.play(cut)
        await amina.replace_microphone()

    await asyncio.gather(replace_in_mid_word(), tomas.say(question))
    for one in (amina, tomas):
        await one.until(lambda o=one: [c for c in o.own_captions(began) if c.final], 20, "a final")
    answer = await amina.tutor_done(began)
    assert second["title"].lower() in answer.lower()
    began = time.monotonic()
    await asyncio.gather(amina.say(question), tomas.say(question))
    await amina.until(
        lambda: all(
            lesson["title"].lower() in amina.tutor_text(began).lower() for lesson in (first, second)
        ),
        30,
        "an answer about each lesson",
    )
    said = await amina.account.wait_for_kept_segments(amina.session_id, 4)
    texts = {
        one.identity: [s["text"] for s in said if s["speaker"] == one.identity]
        for one in (amina, tomas)
    }
    assert texts[tomas.identity] == [question, question]
    begun, asked = texts[amina.identity]
    assert begun.startswith("i do not")
    assert asked == question


async def test_two_learners_who_type_at_once_are_each_answered_on_their_own_lesson(
    learner: Callable[..., Any], module: Module
) -> None:
    amina, tomas = await learner(), await learner(name="Tomas")
    joined = time.monotonic()
    await amina.join(module.id, module.lessons[0]["id"], microphone=False)
    await tomas.join(module.id, module.lessons[1]["id"], microphone=False)
    await amina.stop_greeting(joined)
    asked = time.monotonic()
    await asyncio.gather(*(one.type("What is this lesson about?") for one in (amina, tomas)))
    await amina.until(
        lambda: all(
            lesson["title"].lower() in amina.tutor_text(asked).lower()
            for lesson in module.lessons[:2]
        ),
        30,
        "an answer about each lesson",
    )
    said = await amina.account.wait_for_kept_segments(amina.session_id, 2)
    assert {(s["speaker"], s["lessonId"]) for s in said} == {
        (amina.identity, module.lessons[0]["id"]),
        (tomas.identity, module.lessons[1]["id"]),
    }


async def test_two_learners_each_hear_their_own_last_answer_again(
    learner: Callable[..., Any], module: Module
) -> None:
    amina, tomas = await learner(), await learner(name="Tomas")
    await amina.join_past_greeting(module.id, module.lessons[0]["id"])
    await tomas.join_past_greeting(module.id, module.lessons[1]["id"])
    answers = []
    for one in (amina, tomas):
        asked = time.monotonic()
        await one.type("What is this lesson about?")
        answers.append((await one.tutor_done(asked)).removeprefix(FILLER).strip())
    for one, answer in zip((amina, tomas), answers, strict=True):
        _, ended = await one.say("can you repeat that please")
        assert (await one.tutor_done(ended)).removeprefix(FILLER).strip() == answer
    assert answers[0] != answers[1]
