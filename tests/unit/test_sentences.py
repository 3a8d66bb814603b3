"""Where sentences end, in the passages of a course and in text that is still being written."""

import pytest

from courses.sentences import (
    is_unfinished,
    passage_sentences,
    split_sentences,
    whole_sentences_length,
)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("The loss is a number. It", "The loss is a number."),
        ("The loss is a number.", ""),  # it may go on: 3.14, lesson.md
        ("It is so. And", "It is so."),
        ("Look at e.g. the loss", ""),
        ("Ask Dr. Lee. Then", "Ask Dr. Lee."),
        ("Ask Dr. Lee", ""),
        ("The U.S. economy grew", ""),
        ("See fig. 3 for more", ""),
        ("The answer is no. Try", "The answer is no."),
        ("It is 3. ", ""),
        ("It is 3. Then", "It is 3."),
        ("Is it right? Yes! And", "Is it right? Yes!"),
        ("wait... what", ""),
        ("It rests on this [[2.4]]. Then", "It rests on this [[2.4]]."),
        ("Let $f(x) = ok. And$ be", ""),
        ("It costs $5. Then", "It costs $5."),
        ("```\nx = 1. Y\n", ""),
        ("1. First", ""),
        ("| a |\n| b |\n", ""),
        ("这是损失。它", "这是损失。"),
        ("A line\nand", "A line\n"),
    ],
)
def test_only_whole_sentences_count(text: str, whole: str) -> None:
    assert text[: whole_sentences_length(text)] == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two. ", ["One.", " Two.", " "]),
        ("One.\n\nTwo", ["One.", "\n\nTwo"]),
        ("- one\n- two", ["- one\n", "- two"]),
        ("One", ["One"]),
        ("", [""]),
    ],
)
def test_split_sentences_join_to_the_text(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("It is so.", False), ("It is so. [[2.4]]", False), ("It is", True),
     ("It is so. And", True), (" [[2.4]]", False)],
)  # fmt: skip
def test_text_that_stops_within_a_sentence_is_unfinished(text: str, expected: bool) -> None:
    assert is_unfinished(text) is expected


def test_sentences_of_a_passage_keep_decimals_and_abbreviations_whole() -> None:
    text = "A rate of 0.1 is common, e.g. Adam\nuses it. It **works**. Next is `x`."
    assert passage_sentences(text) == [
        "A rate of 0.1 is common, e.g. Adam uses it.",
        "It works.",
        "Next is x.",
    ]


def test_list_items_are_sentences() -> None:
    assert passage_sentences("- one thing\n- another\n  thing.") == [
        "one thing.",
        "another thing.",
    ]
