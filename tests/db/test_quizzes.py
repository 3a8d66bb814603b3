"""Quizzes: the same tests with the library in Postgres and the one in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from courses.library import Library
from courses.memory import MemoryLibrary
from courses.progress import LessonProgress
from courses.quiz import QuizRun
from db import Conflict, NotFound, Pool, create_pool, tenant_tx
from db.library import PostgresLibrary
from db.tenants import ensure_tenant
from tests.conftest import TEMPLATE, Postgres
from tests.db.rows import NOW, TINY, import_folder, make_learner


@dataclass(frozen=True)
class Desk:
    """A learner in the first lesson of the tiny course."""

    library: Library
    account_id: UUID
    course_id: UUID
    lesson_id: UUID
    without_quiz: UUID


@pytest.fixture(scope="module")
async def shared_pool(postgres: Postgres) -> AsyncIterator[Pool]:
    """One database for this file. Each test has its own tenant."""
    await postgres.clone("t_quizzes", TEMPLATE)
    pool = await create_pool(postgres.dsn(database="t_quizzes"))
    yield pool
    await pool.close()
    await postgres.drop("t_quizzes")


@pytest.fixture(params=["postgres", "memory"])
def store(request: pytest.FixtureRequest) -> Pool | None:
    """A pool, or None for the library in memory."""
    return None if request.param == "memory" else request.getfixturevalue("shared_pool")


@pytest.fixture
async def desk(store: Pool | None) -> Desk:
    if store is None:
        memory = MemoryLibrary.from_folder(TINY)
        return await seat(memory, uuid4(), memory.tree.course.id)
    async with store.acquire() as connection:
        tenant = await ensure_tenant(connection, f"t-{uuid4()}", "of one test")
    async with tenant_tx(store, tenant.id) as db:
        course = await import_folder(db, tenant.id)
        account = await make_learner(db, tenant.id)
    return await seat(PostgresLibrary(store, tenant.id), account.id, course.id)


async def seat(library: Library, account_id: UUID, course_id: UUID) -> Desk:
    apples, bananas = await library.list_outline(course_id)
    return Desk(library, account_id, course_id, apples.id, bananas.id)


async def answer(desk: Desk, option: int) -> tuple[bool, str]:
    graded = await desk.library.grade_answer(desk.account_id, desk.lesson_id, option, NOW)
    return graded.right, graded.why


async def test_a_wrong_answer_leaves_the_question_open_and_explains_nothing(desk: Desk) -> None:
    run = await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    assert run.pending is not None
    assert (run.pending.prompt, run.total) == ("What colour is a ripe apple?", 2)
    assert await answer(desk, 0) == (False, "")
    again = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    assert again == QuizRun(run.pending, 0, 1, 0, 0, 2)
    assert await answer(desk, 1) == (True, "Ripe apples are red.")
    third = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    assert third.pending is not None
    assert (third.pending.number, third.attempts, third.answered, third.correct) == (2, 0, 1, 0)


async def test_a_passed_quiz_completes_the_lesson(desk: Desk) -> None:
    await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    assert await answer(desk, 1) == (True, "Ripe apples are red.")
    assert await answer(desk, 1) == (True, "Five chambers hold one each.")
    run = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    assert run == QuizRun(None, 0, 0, 2, 2, 2)
    visit = await desk.library.describe_visit(desk.account_id, desk.course_id, desk.lesson_id)
    assert visit.lesson_progress == LessonProgress(100, 0.0, "completed")
    assert visit.course_progress.completed_lessons == 1


async def test_a_failed_quiz_does_not_complete_the_lesson(desk: Desk) -> None:
    await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    for option in (0, 1, 1):
        await answer(desk, option)
    visit = await desk.library.describe_visit(desk.account_id, desk.course_id, desk.lesson_id)
    assert visit.lesson_progress is None


async def test_first_hint_is_the_authors_and_the_next_is_the_passage(desk: Desk) -> None:
    await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    hints = [await desk.library.take_hint(desk.account_id, desk.lesson_id) for _ in range(2)]
    assert hints == ["Think of fire.", "A ripe apple is red."]
    run = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    assert run.hint_level == 2


async def test_starting_again_continues_with_the_open_question(desk: Desk) -> None:
    await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    await answer(desk, 1)
    run = await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    assert run.pending is not None
    assert (run.pending.number, run.answered, run.correct) == (2, 1, 1)


async def test_after_the_last_question_the_quiz_starts_over(desk: Desk) -> None:
    await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    await answer(desk, 1)
    await answer(desk, 1)
    run = await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    assert run.pending is not None
    assert (run.pending.number, run.answered, run.correct) == (1, 0, 0)


async def test_grading_and_hints_need_an_open_question(desk: Desk) -> None:
    with pytest.raises(Conflict):
        await answer(desk, 0)
    with pytest.raises(Conflict):
        await desk.library.take_hint(desk.account_id, desk.lesson_id)
    with pytest.raises(NotFound):
        await desk.library.start_quiz(desk.account_id, desk.without_quiz)


@pytest.mark.parametrize("option", [-1, 3])
async def test_a_missing_option_does_not_count_as_an_attempt(desk: Desk, option: int) -> None:
    await desk.library.start_quiz(desk.account_id, desk.lesson_id)
    with pytest.raises(Conflict):
        await answer(desk, option)
    assert (await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)).attempts == 0


async def test_both_libraries_give_the_same_visits_and_search_results(desk: Desk) -> None:
    library = desk.library
    first = await library.describe_visit(desk.account_id, desk.course_id, desk.without_quiz)
    await library.record_visit(desk.account_id, desk.without_quiz, NOW)
    second = await library.describe_visit(desk.account_id, desk.course_id, desk.without_quiz)
    hits = await library.search_passages(desk.course_id, "what is a ripe, yellow berry?")
    assert (first.session_type, first.lesson_number, first.prev_lesson_title) == (
        "lesson_welcome",
        2,
        "Apples",
    )
    assert (second.session_type, second.lesson_progress) == (
        "lesson_welcome_back",
        LessonProgress(0, 0.0, "in_progress"),
    )
    assert [(hit.lesson_title, hit.passage.number) for hit in hits] == [
        ("Bananas", 1),
        ("Apples", 1),
    ]
    with pytest.raises(NotFound):
        await library.get_lesson(uuid4())
    with pytest.raises(NotFound):
        await library.get_course(uuid4())
