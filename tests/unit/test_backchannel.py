"""What counts as a backchannel, and when the tutor has just asked something."""

import pytest

from agent.text.backchannel import has_just_asked, is_backchannel


@pytest.mark.parametrize(
    "text",
    [
        "mhm",
        "Mm-hmm.",
        "Mmm hmm",
        "hmm",
        "uh-huh",
        "Uhhuh.",
        "Okay.",
        "ok",
        "Yeah, yeah.",
        "Yes.",
        "Oh, I see.",
        "Right, okay.",
        "That makes sense.",
        "all right",
        "Got it!",
    ],
)
def test_agreement_is_a_backchannel(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "stop",
        "wait",
        "no",
        "Okay, stop.",
        "yeah but why",
        "what",
        "Right, and what is a vector?",
        "I see a problem",
        "all",
        "okay okay okay okay okay okay okay",
        "yes " * 100,
    ],
)
def test_words_that_want_something_are_not_backchannels(text: str) -> None:
    assert not is_backchannel(text)


PLAN = "A vector is a list. Is that clear? Now we go on to matrices. Each has rows."


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("", False),
        ("A vector", False),
        ("A vector is a list.", False),
        ("A vector is a list. Is", True),
        ("A vector is a list. Is that clear?", True),
        ("A vector is a list. Is that clear? Now we go on", True),
        ("A vector is a list. Is that clear? Now we go on to", False),
        (PLAN, False),
    ],
)
def test_tutor_has_just_asked_during_a_question_and_a_few_words_after_it(
    heard: str, expected: bool
) -> None:
    assert has_just_asked(heard, PLAN) is expected


def test_question_in_quotes_is_a_question() -> None:
    assert has_just_asked("Ask yourself: “what is", "Ask yourself: “what is it?” Then go on.")
