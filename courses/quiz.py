"""A quiz: its questions and the rules of grading. Pure.

Only the library knows the right options. It reports only whether an answer is right.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from errors import Conflict

PASS_PERCENT = 60


@dataclass(frozen=True)
class Question:
    """A question without its right option; `passage_number` is the passage that answers it."""

    id: UUID
    lesson_id: UUID
    number: int
    prompt: str
    options: tuple[str, ...]
    passage_number: int | None


@dataclass(frozen=True)
class QuizRun:
    """A learner's progress in a lesson's quiz.

    `attempts` and `hint_level` count wrong answers and hints for the pending question; `correct`
    counts questions answered right on the first try.
    """

    pending: Question | None
    hint_level: int
    attempts: int
    answered: int
    correct: int
    total: int


@dataclass(frozen=True)
class GradedAnswer:
    """The outcome of an answer; `why` explains a right one and is empty for a wrong one."""

    right: bool
    why: str
    run: QuizRun


def advance_run(run: QuizRun, right: bool, following: Question | None) -> QuizRun:
    """The run after an answer. A wrong answer leaves the question open."""
    if not right:
        return replace(run, attempts=run.attempts + 1)
    return replace(
        run,
        pending=following,
        hint_level=0,
        attempts=0,
        answered=run.answered + 1,
        correct=run.correct + (run.attempts == 0),
    )


def is_quiz_passed(run: QuizRun) -> bool:
    """Whether all questions are answered, at least 60 percent of them right on the first try."""
    done = run.pending is None and run.answered >= run.total > 0
    return done and run.correct * 100 >= run.total * PASS_PERCENT


def hint_text(level: int, hint: str, passage: str | None) -> str:
    """The author's hint first; from level 2 on, the passage that answers the question.

    Empty if the question has neither.
    """
    if level > 1 or not hint:
        return passage or hint
    return hint


def check_option(question: Question, option: int) -> None:
    if not 0 <= option < len(question.options):
        raise Conflict(f"The question has {len(question.options)} options.")
