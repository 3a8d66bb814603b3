"""The rules of a quiz."""

import pytest

from courses.quiz import QuizRun, hint_text, is_quiz_passed


@pytest.mark.parametrize(
    ("correct", "total", "expected"), [(3, 5, True), (2, 5, False), (0, 0, False), (1, 1, True)]
)
def test_sixty_percent_right_on_the_first_try_passes(
    correct: int, total: int, expected: bool
) -> None:
    assert is_quiz_passed(QuizRun(None, 0, 0, total, correct, total)) is expected


@pytest.mark.parametrize(
    ("level", "hint", "passage", "expected"),
    [
        (1, "Think of fire.", "An apple is red.", "Think of fire."),
        (2, "Think of fire.", "An apple is red.", "An apple is red."),
        (2, "Think of fire.", None, "Think of fire."),
        (1, "", "An apple is red.", "An apple is red."),
        (1, "", None, ""),
    ],
)
def test_the_authors_hint_comes_before_the_passage(
    level: int, hint: str, passage: str | None, expected: str
) -> None:
    assert hint_text(level, hint, passage) == expected
