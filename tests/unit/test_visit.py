"""The session type of a visit and the facts that decide it (A04, A06, A07, A08, K24)."""

from itertools import product
from uuid import UUID

import pytest

from courses.course import Lesson, initial_lesson
from courses.progress import (
    CourseProgress,
    LessonProgress,
    ProgressStatus,
    VisitedLesson,
    VisitFacts,
    choose_session_type,
    classify_visit,
)

NONE_YET = CourseProgress(0, 6, None)


def facts(
    *,
    visited: int = 0,
    order_index: int | None = 0,
    first_module: bool = True,
    number: int | None = 1,
    status: ProgressStatus | None = None,
) -> VisitFacts:
    """Without `order_index` the visit has no lesson."""
    lesson = VisitedLesson(order_index or 0, first_module, number, None)
    return VisitFacts(
        visited_lessons=visited,
        course=NONE_YET,
        lesson=None if order_index is None else lesson,
        progress=None if status is None else LessonProgress(10, 4.5, status),
    )


def test_session_type_truth_table() -> None:
    found = {
        bits: choose_session_type(*bits)
        for bits in product((True, False), (True, False), (True, False))
    }
    assert found == {
        (True, True, True): "course_welcome",
        (True, True, False): "course_welcome",
        (True, False, True): "course_welcome_back",
        (True, False, False): "course_welcome_back",
        (False, True, True): "lesson_welcome",
        (False, True, False): "lesson_welcome_back",
        (False, False, True): "lesson_welcome",
        (False, False, False): "lesson_welcome_back",
    }


@pytest.mark.parametrize(
    ("order_index", "first_module", "expected"),
    [(0, True, True), (1, True, False), (0, False, False), (1, False, False), (None, True, False)],
)
def test_the_intro_is_the_first_lesson_of_the_first_published_module(
    order_index: int | None, first_module: bool, expected: bool
) -> None:
    found = classify_visit(facts(order_index=order_index, first_module=first_module))
    assert found.is_intro_lesson is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(None, True), ("not_started", True), ("in_progress", False), ("completed", False)],
)
def test_a_first_lesson_visit_has_no_progress_yet(
    status: ProgressStatus | None, expected: bool
) -> None:
    assert classify_visit(facts(status=status)).is_first_lesson_visit is expected


@pytest.mark.parametrize(("visited", "expected"), [(0, True), (1, False), (5, False)])
def test_a_first_course_visit_has_no_visited_lesson(visited: int, expected: bool) -> None:
    assert classify_visit(facts(visited=visited)).is_first_course_visit is expected


@pytest.mark.parametrize(
    ("order_index", "number", "expected"), [(None, None, 1), (0, 1, 1), (2, 6, 6), (3, None, None)]
)
def test_the_number_is_1_without_a_lesson_and_none_for_an_unpublished_one(
    order_index: int | None, number: int | None, expected: int | None
) -> None:
    assert classify_visit(facts(order_index=order_index, number=number)).lesson_number == expected


def lesson(number: int) -> Lesson:
    """A lesson; only its id matters."""
    one = UUID(int=number)
    return Lesson(one, one, one, "", number, "", (), None, None, None, True)


@pytest.mark.parametrize(("asked", "expected"), [(UUID(int=2), 2), (UUID(int=9), 1), (None, 1)])
def test_the_initial_lesson_is_the_one_asked_for_or_the_first(
    asked: UUID | None, expected: int
) -> None:
    assert initial_lesson([lesson(1), lesson(2)], asked) == lesson(expected)


def test_an_empty_module_has_no_initial_lesson() -> None:
    assert initial_lesson([], UUID(int=1)) is None
