"""A language model with the OpenAI API: what it is asked, and what is said when it fails."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import prompts
from agent.models.fallback_llm import TIMEOUT_S
from harness.provider import ModelServer
from settings import Settings
from tests.agent.desk_parts import ask, open_desk, sample_tree, talk
from tests.agent.provider_parts import Lesson, lesson_by
from tests.soak import SOAK

TIMES = 50 if SOAK else 1
QUESTION = "What is the loss function?"
FILLER = prompts.render("one_moment")
PATIENCE_S = 2.0  # instead of 4, for providers that hang
SILENT = {"hang", "hang after a token", "hang in a call"}  # until the timeout
OF_THE_TURN = {"empty", "refusal", "wrong arguments", "no JSON", "unknown tool"}
OF_THE_PROVIDER = SILENT | {
    "429 for long",
    "500",
    "reset",
    "reset in mid-answer",
    "cut",
    "bad bytes",
}
BEFORE_ANY_WORD = sorted(OF_THE_TURN | OF_THE_PROVIDER)


@pytest.fixture
async def lesson(provider: ModelServer, settings: Settings) -> AsyncIterator[Lesson]:
    async with lesson_by(provider, settings) as lesson:
        yield lesson


async def offline_answer() -> str:
    desk = await open_desk(lesson_number=2)
    async with talk(desk) as session:
        return without_filler(await ask(session, QUESTION))


def without_filler(answer: str) -> str:
    """A busy machine may be slow enough for the tutor to say its filler."""
    return answer.removeprefix(f"{FILLER} ")


async def test_provider_answers_from_the_same_passages_as_the_offline_tutor(
    lesson: Lesson, provider: ModelServer
) -> None:
    answer = without_filler(await lesson.ask(QUESTION))
    assert answer.startswith("The loss function is a function that measures")
    assert answer[:70] in await offline_answer()
    assert lesson.cited == [(3, 7)]
    assert provider.served["llm"] == 1
    assert lesson.desk.last_answer == answer


async def test_provider_calls_tools_and_says_their_result(
    lesson: Lesson, provider: ModelServer
) -> None:
    assert "in lesson 3" in await lesson.ask("Next lesson, please.")
    outline = await lesson.desk.library.list_outline(lesson.desk.course_id)
    assert lesson.desk.lesson_id == outline[2].id


@pytest.mark.parametrize("fault", BEFORE_ANY_WORD * TIMES)
async def test_turn_is_answered_from_the_lesson_when_the_provider_fails(
    lesson: Lesson, provider: ModelServer, fault: str
) -> None:
    provider.break_("llm", fault)
    if fault in SILENT:
        lesson.model.timeout_s = PATIENCE_S
    said = await lesson.ask(QUESTION)
    answer = without_filler(said)
    assert answer == await offline_answer()
    assert fault not in SILENT or said.startswith(FILLER)
    assert provider.asked["llm"] <= 2
    assert lesson.model.provider_state.up is (fault in OF_THE_TURN)
    assert lesson.closed == []
    assert lesson.desk.last_answer == answer


@pytest.mark.parametrize("fault", ["500", "429 for short", "reset", "empty", "refusal", "cut"])
async def test_one_bad_answer_is_retried(lesson: Lesson, provider: ModelServer, fault: str) -> None:
    provider.break_("llm", fault, times=1)
    answer = await lesson.ask(QUESTION)
    assert answer.endswith("What do you think about it?")
    assert provider.asked["llm"] == 2
    assert lesson.model.provider_state.up


async def test_answer_that_stops_after_a_sentence_is_finished_from_the_lesson(
    lesson: Lesson, provider: ModelServer
) -> None:
    provider.break_("llm", "hang after a sentence")
    lesson.model.timeout_s = PATIENCE_S
    answer = await lesson.ask(QUESTION)
    begun = f"Here is what I know. {prompts.render('provider_failed')}"
    assert without_filler(answer) == f"{begun} {await offline_answer()}"
    history = lesson.session.history.items[-1]
    assert history.type == "message"
    assert history.text_content == answer  # "And" was never said


async def test_hanging_provider_delays_one_turn_only_and_is_used_again_when_it_responds(
    lesson: Lesson, provider: ModelServer
) -> None:
    provider.break_("llm", "hang")
    lesson.model.timeout_s = PATIENCE_S
    assert (await lesson.ask(QUESTION)).startswith(FILLER)
    asked = len(provider.requests)
    assert without_filler(await lesson.ask(QUESTION)) == await offline_answer()
    assert len(provider.requests) == asked  # it was not waited for again
    await lesson.model.provider_state.aclose()  # the probe, which hangs as well
    provider.mend()
    lesson.model.timeout_s = TIMEOUT_S
    assert without_filler(await lesson.ask(QUESTION)) == await offline_answer()
    await lesson.recovered()
    assert (await lesson.ask(QUESTION)).endswith("What do you think about it?")
    assert FILLER not in json.dumps(provider.requests[-1])  # the model would imitate it


async def test_long_retry_after_is_respected(lesson: Lesson, provider: ModelServer) -> None:
    provider.break_("llm", "429 for long")
    for _ in range(3):
        await lesson.ask(QUESTION)
    assert provider.asked["llm"] == 1


async def test_endless_tool_calls_end_in_an_answer(lesson: Lesson, provider: ModelServer) -> None:
    provider.break_("llm", "loop")
    answer = without_filler(await lesson.ask(QUESTION))
    calls = [item for item in lesson.session.history.items if item.type == "function_call"]
    assert len(calls) == 3
    assert answer.startswith("After lesson two")
    assert lesson.closed == []


@hypothesis_settings(
    max_examples=1000 if SOAK else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    arguments=st.one_of(
        st.text(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
            max_leaves=6,
        ).map(json.dumps),
        st.sampled_from(["next", "other tenant"]).map(
            lambda target: json.dumps({"target": target, "tenant_id": "x", "account_id": "y"})
        ),
    )
)
async def test_tool_arguments_cannot_reach_beyond_the_desk(
    lesson: Lesson, provider: ModelServer, arguments: str
) -> None:
    account_id, course_id = lesson.desk.account_id, lesson.desk.course_id
    provider.break_("llm", "call", times=1)
    provider.call = ("change_lesson", arguments)
    assert await lesson.ask(QUESTION)
    assert (lesson.desk.account_id, lesson.desk.course_id) == (account_id, course_id)
    assert lesson.closed == []


async def test_no_prompt_contains_quiz_answers(lesson: Lesson, provider: ModelServer) -> None:
    keys = {key.question_id: key for key in sample_tree().keys}
    lesson_id = lesson.desk.lesson_id
    assert lesson_id is not None
    told = await lesson.ask("Quiz me")
    assert "Question one" in told
    asked = 0
    while True:
        run = await lesson.desk.library.get_quiz_run(lesson.desk.account_id, lesson_id)
        if run.pending is None:
            break
        asked += 1
        key = keys[run.pending.id]
        wrong = "BA"[key.answer == 1]
        await lesson.ask(run.pending.prompt)
        await lesson.ask(f"My answer is {wrong}")
        sent = json.dumps(provider.requests, ensure_ascii=False)
        assert key.why not in sent
        assert key.hint is None or key.hint not in sent
        assert "quiz_keys" not in sent
        await lesson.ask(f"My answer is {'ABCDEFGH'[key.answer]}")
    assert asked >= 3
    assert len(provider.requests) >= 5 * asked


async def test_tutor_says_so_when_not_even_the_course_can_be_read(
    lesson: Lesson, provider: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    provider.break_("llm", "500")
    monkeypatch.setattr(lesson.desk.library, "search_passages", away)
    assert without_filler(await lesson.ask(QUESTION)) == prompts.render("cannot_answer")
    assert lesson.closed == []
