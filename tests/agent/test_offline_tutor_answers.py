"""Questions to the offline tutor: answered from the right lesson, or refused."""

import re
from uuid import UUID

import pytest

import prompts
from courses.course import Course
from db import Pool
from db.library import PostgresLibrary
from tests.agent.desk_parts import open_desk, raw_reply

REFUSAL = prompts.render("refusal")
SPOKEN = [
    ("what is gradient descent", 4),
    ("i do not understand gradient descent", 4),
    ("what is the learning rate", 4),
    ("i do not understand the learning rate", 4),
    ("what is a neural network", 6),
    ("what is the loss function", 3),
    ("i do not understand the loss function", 3),
    ("what is overfitting", 5),
    ("i do not understand overfitting", 5),
    ("what is regression", 3),
    ("what is attention", 6),
    ("i do not understand attention", 6),
    ("what is a transformer", 6),
    ("what is a vector", 2),
    ("i do not understand a vector", 2),
    ("what is a matrix", 2),
    ("what is machine learning", 1),
    ("what is deep learning", 6),
    ("what is training data", 2),
    ("what is test data", 2),
    ("what is a layer", 6),
    ("what is the model", 3),
    ("what is a python function", 1),
    ("what is a network", 6),
    ("what is a function", 3),
    ("explain gradient descent with an example", 4),
    ("explain the learning rate with an example", 4),
    ("explain a neural network with an example", 6),
    ("explain the loss function with an example", 3),
    ("explain overfitting with an example", 5),
    ("explain regression with an example", 3),
]
TYPED = [
    ("What's gradient descent?", 4),
    ("um so can you like tell me what gradient descent actually is you know", 4),
    ("Hey Bodh, could you please explain overfitting?", 5),
    ("what is gradiant descent", 4),
    ("Why do we keep test data apart?", 2),
    ("How do I stop a model from overfitting?", 5),
    ("what is regularization", 5),
    ("What is an epoch?", 4),
    ("what is supervised learning", 1),
    ("Why are the errors squared?", 3),
]
OUTSIDE = [
    "what is photosynthesis",
    "what is the capital of france",
    "who won the football world cup",
    "how does a car engine work",
    "What is the weather today?",
    "how do i bake a chocolate cake",
    "explain the french revolution",
    "who is the president of the united states",
    "Was ist \u00dcberanpassung?",
    "\u4ec0\u4e48\u662f\u8fc7\u62df\u5408",
]


def cited_lessons(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"\[\[(\d+)\.\d+\]\]", text)}


@pytest.mark.parametrize("asked_in", [1, 5])
@pytest.mark.parametrize(("question", "lesson"), SPOKEN + TYPED)
async def test_the_answer_cites_the_lesson_that_explains_it(
    question: str, lesson: int, asked_in: int
) -> None:
    text, _ = await raw_reply(await open_desk(asked_in), question)
    assert cited_lessons(text) == {lesson}


@pytest.mark.parametrize("question", OUTSIDE)
async def test_questions_outside_the_course_are_refused(question: str) -> None:
    text, _ = await raw_reply(await open_desk(), question)
    assert text == REFUSAL


async def test_an_answer_names_lesson_and_passage_and_has_one_to_three_marked_sentences() -> None:
    text, _ = await raw_reply(await open_desk(), "what is a vector")
    assert text.startswith("Lesson two, passage four: A vector is a list of numbers")
    assert 1 <= len(re.findall(r"[.!?] \[\[2\.4\]\]", text)) <= 3


async def test_every_cited_passage_exists() -> None:
    desk = await open_desk()
    outline = await desk.library.list_outline(desk.course_id)
    for question, lesson in SPOKEN:
        text, _ = await raw_reply(desk, question)
        numbers = {p.number for p in await desk.library.list_passages(outline[lesson - 1].id)}
        assert {int(number) for number in re.findall(r"\[\[\d+\.(\d+)\]\]", text)} <= numbers


async def test_a_question_about_it_means_the_last_topic() -> None:
    desk = await open_desk(1)
    await raw_reply(desk, "what is gradient descent")
    text, _ = await raw_reply(desk, "and why is it important")
    assert cited_lessons(text) == {4}


async def test_an_example_is_given_with_the_explanation() -> None:
    text, _ = await raw_reply(await open_desk(), "explain regression with an example")
    assert "For example" in text


async def test_search_in_postgres_gives_the_same_answers(
    pool: Pool, sample: Course, tenant_id: UUID
) -> None:
    desk = await open_desk(1)
    library = PostgresLibrary(pool, tenant_id)
    desk.library, desk.course_id = library, sample.id
    desk.asker.lesson_id = (await library.list_outline(sample.id))[0].id
    wrong = [
        (question, text)
        for question, lesson in SPOKEN + TYPED
        if cited_lessons(text := (await raw_reply(desk, question))[0]) != {lesson}
    ]
    refused = [(await raw_reply(desk, question))[0] == REFUSAL for question in OUTSIDE]
    assert (wrong, all(refused)) == ([], True)
