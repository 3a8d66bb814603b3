"""Where a sentence ends while a text is still written."""

import pytest

from agent.text.sentences import sentence_end, unfinished


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("The loss is a number. It", "The loss is a number."),
        ("The loss is a number.", ""),  # it may go on: 3.14, lesson.md
        ("Look at e.g. the loss", ""),
        ("Ask Dr. Lee. Then", "Ask Dr. Lee."),
        ("Ask Dr. Lee", ""),
        ("Is it right? Yes! And", "Is it right? Yes!"),
        ("It rests on this [[2.4]]. Then", "It rests on this [[2.4]]."),
        ("Let $f(x) = ok. And$ be", ""),
        ("这是损失。它", "这是损失。"),
        ("A line\nand", "A line\n"),
    ],
)
def test_only_whole_sentences_count(text: str, whole: str) -> None:
    assert text[: sentence_end(text)] == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("It is so.", False), ("It is so. [[2.4]]", False), ("It is", True),
     ("It is so. And", True), (" [[2.4]]", False)],
)  # fmt: skip
def test_text_that_stops_within_a_sentence_is_unfinished(text: str, expected: bool) -> None:
    assert unfinished(text) is expected
