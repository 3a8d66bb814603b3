"""The authored texts: strict filling, and what a greeting says."""

import pytest

import prompts
from prompts import PromptError, render

GREETINGS = ("course_welcome", "course_welcome_back", "lesson_welcome", "lesson_welcome_back")


def greet(name: str, previous: str | None = "Data and vectors") -> str:
    return render(
        name,
        learner="Amina",
        course="Machine learning",
        number=3,
        lesson="Models and loss",
        previous=previous,
    )


@pytest.mark.parametrize("name", prompts.names())
def test_every_text_declares_its_values(name: str) -> None:
    with pytest.raises(PromptError, match="nonsense"):
        render(name, nonsense=1)


def test_a_missing_value_raises() -> None:
    with pytest.raises(PromptError, match="title"):
        render("lesson_changed", number=2)


def test_a_value_that_is_none_raises_outside_of_an_optional_part() -> None:
    with pytest.raises(PromptError, match="title"):
        render("lesson_changed", number=2, title=None)


def test_an_unknown_text_raises() -> None:
    with pytest.raises(PromptError):
        render("no_such_text")


def test_a_value_is_never_read_as_a_template() -> None:
    text = render("back_again", learner="{lesson} [?x?]", lesson="Data")
    assert text == "I am back, {lesson} [?x?]. We were in Data: please go on."


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_names_learner_lesson_number_and_the_lesson_before(name: str) -> None:
    text = greet(name)
    assert [
        part in text for part in ("Amina", "lesson 3, Models and loss", "Data and vectors")
    ] == [True] * 3


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_is_two_sentences_and_ends_with_an_invitation(name: str) -> None:
    text = greet(name, previous=None)
    assert (text.count("."), text[-1], "None" in text) == (1, "?", False)


def test_the_four_greetings_differ() -> None:
    assert len({greet(name) for name in GREETINGS}) == 4


def test_a_greeting_without_a_lesson_is_whole() -> None:
    text = render(
        "lesson_welcome", learner="Amina", course="X", number=None, lesson=None, previous=None
    )
    assert text.startswith("Hello Amina. Shall we")


def test_the_change_of_lesson_is_one_line() -> None:
    assert render("lesson_changed", number=2, title="Data") == "Now we are in lesson 2, Data."


def test_a_title_that_ends_a_sentence_gets_no_second_stop() -> None:
    text = render("lesson_changed", number=1, title="What is machine learning?")
    assert text == "Now we are in lesson 1, What is machine learning?"
