"""Words as said and printed: normal form, stems, numbers."""

import pytest

from courses.lexemes import lexemes, normalise
from tools.phrasing import find_number, first_words, join_with_and, number_word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What's gradient descent?!", "what is gradient descent"),
        ("I don\u2019t understand", "i do not understand"),
        ("  Let's   GO\n", "let us go"),
        ("\U0001f600 ?? …", ""),
    ],
)
def test_normal_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("overfitting", "overfits"),
        ("regularisation", "regularization"),
        ("matrices", "matrix"),
        ("squares", "squared"),
        ("layers", "layer"),
        ("training", "trained"),
    ],
)
def test_forms_of_a_word_share_a_lexeme(one: str, other: str) -> None:
    assert lexemes(one) == lexemes(other)


def test_care_and_car_are_different_lexemes() -> None:
    assert lexemes("care") != lexemes("car")


@pytest.mark.parametrize(
    ("text", "number"), [("lesson two", 2), ("lesson 12", 12), ("the third", 3), ("none", None)]
)
def test_numbers_are_found_as_word_digits_or_ordinal(text: str, number: int | None) -> None:
    assert find_number(text) == number


def test_numbers_and_lists_are_spoken() -> None:
    assert (number_word(4), number_word(40), join_with_and(["a", "b", "c"])) == (
        "four",
        "40",
        "a, b and c",
    )


def test_word_of_more_than_40_letters_is_its_own_stem() -> None:
    word = "a" * 500 + "ing"
    assert lexemes(word) == [word]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("one two three", "one two three"), ("one two three!", "one two"), ("a" * 20, "a" * 13)],
)
def test_first_words_are_whole_if_there_are_any(text: str, expected: str) -> None:
    assert first_words(text, 13) == expected
