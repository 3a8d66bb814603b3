"""Whether the tutor waits for an answer, and how long before it nudges."""

import pytest

from agent.talk.nudges import FIRST_S, seconds_to_first_nudge


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A vector is a list of numbers. What is its length?", FIRST_S["fact"]),
        ("What do you get for 3 times 4?", FIRST_S["calculation"]),
        ("Good. Why does the loss go down?", FIRST_S["reasoning"]),
        ("Question one of three. What is a label? A: a name. B: a number.", FIRST_S["fact"]),
        ("A vector is a list of numbers.", None),
        ("Is it a list? Yes, it is a list of numbers.", None),
        ("I am glad to hear that. Shall we go on?", None),
        ("Hello Amina. Shall I start, or do you have a question first?", None),
        ("Would you like another example?", None),
        ("", None),
    ],
)
def test_only_a_question_that_is_open_leads_to_a_nudge(answer: str, expected: float | None) -> None:
    assert seconds_to_first_nudge(answer) == expected
