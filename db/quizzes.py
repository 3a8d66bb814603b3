"""Quizzes. Owns quiz_questions, quiz_keys, quiz_runs.

Only `grade` reads the correct option, and it returns only whether an answer is right.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from courses.quiz import (
    GradedAnswer,
    Question,
    QuizRun,
    advance_run,
    check_option,
    hint_text,
    is_quiz_passed,
)
from db import Conflict, Connection, NotFound, fetch_one
from db.progress import update_progress


async def list_questions(db: Connection, tenant_id: UUID, lesson_id: UUID) -> list[Question]:
    rows = await db.fetch(
        """select id, lesson_id, number, prompt, options, passage_number from quiz_questions
           where tenant_id = $1 and lesson_id = $2 order by number""",
        tenant_id,
        lesson_id,
    )
    return [_question_of_row(row) for row in rows]


async def lock_quiz_run(
    db: Connection, tenant_id: UUID, account_id: UUID, lesson_id: UUID
) -> QuizRun:
    """The learner's run, without a pending question if the quiz was never started.

    Locks the run until the transaction ends.
    """
    questions = await list_questions(db, tenant_id, lesson_id)
    row = await db.fetchrow(
        """select pending_question_id, hint_level, attempts, answered, correct from quiz_runs
           where tenant_id = $1 and account_id = $2 and lesson_id = $3 for update""",
        tenant_id,
        account_id,
        lesson_id,
    )
    if row is None:
        return QuizRun(None, 0, 0, 0, 0, len(questions))
    return QuizRun(
        pending=next((q for q in questions if q.id == row["pending_question_id"]), None),
        hint_level=row["hint_level"],
        attempts=row["attempts"],
        answered=row["answered"],
        correct=row["correct"],
        total=len(questions),
    )


async def find_last_quiz_step(db: Connection, tenant_id: UUID, account_id: UUID) -> datetime | None:
    step: datetime | None = await db.fetchval(
        "select max(updated_at) from quiz_runs where tenant_id = $1 and account_id = $2",
        tenant_id,
        account_id,
    )
    return step


async def start_quiz(db: Connection, tenant_id: UUID, account_id: UUID, lesson_id: UUID) -> QuizRun:
    run = await lock_quiz_run(db, tenant_id, account_id, lesson_id)
    if run.pending is not None:
        return run
    questions = await list_questions(db, tenant_id, lesson_id)
    if not questions:
        raise NotFound("quiz")
    run = QuizRun(questions[0], 0, 0, 0, 0, len(questions))
    await _store_quiz_run(db, tenant_id, account_id, lesson_id, run)
    return run


async def grade_answer(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    lesson_id: UUID,
    option: int,
    now: datetime,
) -> GradedAnswer:
    """Grades an answer to the pending question; `option` counts from 0.

    Passing the quiz completes the lesson. Raises Conflict if no question is open or it has no such
    option.
    """
    run = await lock_quiz_run(db, tenant_id, account_id, lesson_id)
    if run.pending is None:
        raise Conflict("No question is open.")
    check_option(run.pending, option)
    key = await fetch_one(
        db,
        "select answer, why from quiz_keys where tenant_id = $1 and question_id = $2",
        tenant_id,
        run.pending.id,
    )
    right = key["answer"] == option
    questions = await list_questions(db, tenant_id, lesson_id)
    following = next((q for q in questions if q.number > run.pending.number), None)
    run = advance_run(run, right, following)
    await _store_quiz_run(db, tenant_id, account_id, lesson_id, run)
    if is_quiz_passed(run):
        await update_progress(db, tenant_id, account_id, lesson_id, completed=True, now=now)
    return GradedAnswer(right, key["why"] if right else "", run)


async def take_hint(db: Connection, tenant_id: UUID, account_id: UUID, lesson_id: UUID) -> str:
    run = await lock_quiz_run(db, tenant_id, account_id, lesson_id)
    if run.pending is None:
        raise Conflict("No question is open.")
    hinted = replace(run, hint_level=run.hint_level + 1)
    await _store_quiz_run(db, tenant_id, account_id, lesson_id, hinted)
    row = await fetch_one(
        db,
        """select q.hint, p.body from quiz_questions q
           left join passages p on p.tenant_id = q.tenant_id and p.lesson_id = q.lesson_id
             and p.number = q.passage_number
           where q.tenant_id = $1 and q.id = $2""",
        tenant_id,
        run.pending.id,
    )
    return hint_text(hinted.hint_level, row["hint"], row["body"])


async def _store_quiz_run(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    lesson_id: UUID,
    run: QuizRun,
) -> None:
    await db.execute(
        """insert into quiz_runs (tenant_id, account_id, lesson_id, pending_question_id,
                                  hint_level, attempts, answered, correct)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (tenant_id, account_id, lesson_id) do update set
             pending_question_id = excluded.pending_question_id,
             hint_level = excluded.hint_level, attempts = excluded.attempts,
             answered = excluded.answered, correct = excluded.correct,
             updated_at = now()""",
        tenant_id,
        account_id,
        lesson_id,
        None if run.pending is None else run.pending.id,
        run.hint_level,
        run.attempts,
        run.answered,
        run.correct,
    )


def _question_of_row(row: Any) -> Question:
    return Question(**{**row, "options": tuple(row["options"])})
