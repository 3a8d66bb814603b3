"""Imports courses into Postgres: idempotent, in the caller's transaction."""

from uuid import UUID

import asyncpg

from courses.course import Course
from courses.tree import CourseTree
from db import Conflict, Connection

SHELF = 100_000  # first order_index of withdrawn lessons and modules


async def import_course(db: Connection, tenant_id: UUID, tree: CourseTree) -> Course:
    """Makes the tenant's course equal to the tree. A repeated import changes nothing.

    Deletes lessons that are no longer in the tree. Unpublishes those that a learner has opened, to
    keep the learner's progress. Raises Conflict if another course has the slug or course_id.
    """
    try:
        await _write_course(db, tenant_id, tree.course)
    except asyncpg.UniqueViolationError as error:
        raise Conflict(
            f"another course has the slug {tree.course.slug} or the courseId "
            f"{tree.course.course_id}"
        ) from error
    await _write_modules(db, tenant_id, tree)
    await _write_lessons(db, tenant_id, tree)
    await _write_passages(db, tenant_id, tree)
    await _write_quizzes(db, tenant_id, tree)
    await _delete_or_unpublish_missing_lessons(db, tenant_id, tree)
    await _delete_or_unpublish_missing_modules(db, tenant_id, tree)
    return tree.course


async def _write_course(db: Connection, tenant_id: UUID, course: Course) -> None:
    await db.execute(
        """insert into courses
             (tenant_id, id, course_id, slug, title, description, learning_objectives)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, id) do update set
             course_id = excluded.course_id, title = excluded.title,
             description = excluded.description,
             learning_objectives = excluded.learning_objectives, updated_at = now()""",
        tenant_id,
        course.id,
        course.course_id,
        course.slug,
        course.title,
        course.description,
        course.learning_objectives,
    )


async def _write_modules(db: Connection, tenant_id: UUID, tree: CourseTree) -> None:
    await db.executemany(
        """insert into modules
             (tenant_id, id, course_id, title, description, order_index, is_published)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, id) do update set
             title = excluded.title, description = excluded.description,
             order_index = excluded.order_index, is_published = excluded.is_published""",
        [
            (
                tenant_id,
                module.id,
                module.course_id,
                module.title,
                module.description,
                module.order_index,
                module.id not in tree.unpublished,
            )
            for module in tree.modules
        ],
    )


async def _write_lessons(db: Connection, tenant_id: UUID, tree: CourseTree) -> None:
    await db.executemany(
        """insert into lessons
             (tenant_id, id, module_id, title, order_index, description, objectives, duration_s,
              kpoint_video_id, youtube_video_id, captions_vtt, is_published)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
           on conflict (tenant_id, id) do update set
             title = excluded.title, order_index = excluded.order_index,
             description = excluded.description, objectives = excluded.objectives,
             duration_s = excluded.duration_s, kpoint_video_id = excluded.kpoint_video_id,
             youtube_video_id = excluded.youtube_video_id, captions_vtt = excluded.captions_vtt,
             is_published = excluded.is_published, updated_at = now()""",
        [
            (
                tenant_id,
                lesson.id,
                lesson.module_id,
                lesson.title,
                lesson.order_index,
                lesson.description,
                lesson.objectives,
                lesson.duration_s,
                lesson.kpoint_video_id,
                lesson.youtube_video_id,
                tree.captions[lesson.id],
                lesson.is_published,
            )
            for lesson in tree.lessons
        ],
    )


async def _write_passages(db: Connection, tenant_id: UUID, tree: CourseTree) -> None:
    await db.executemany(
        """insert into passages
             (tenant_id, id, lesson_id, number, kind, heading, body, mathml)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (tenant_id, id) do update set
             kind = excluded.kind, heading = excluded.heading, body = excluded.body,
             mathml = excluded.mathml""",
        [
            (tenant_id, p.id, p.lesson_id, p.number, p.kind, p.heading, p.body, p.mathml)
            for p in tree.passages
        ],
    )
    await db.execute(
        """delete from passages where tenant_id = $1 and lesson_id = any($2) and id <> all($3)""",
        tenant_id,
        [lesson.id for lesson in tree.lessons],
        [passage.id for passage in tree.passages],
    )


async def _write_quizzes(db: Connection, tenant_id: UUID, tree: CourseTree) -> None:
    await db.executemany(
        """insert into quiz_questions
             (tenant_id, id, lesson_id, number, prompt, options, hint, passage_number)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (tenant_id, id) do update set
             prompt = excluded.prompt, options = excluded.options, hint = excluded.hint,
             passage_number = excluded.passage_number""",
        [
            (
                tenant_id,
                question.id,
                question.lesson_id,
                question.number,
                question.prompt,
                question.options,
                key.hint,
                question.passage_number,
            )
            for question, key in zip(tree.questions, tree.keys, strict=True)
        ],
    )
    await db.executemany(
        """insert into quiz_keys (tenant_id, question_id, answer, why) values ($1, $2, $3, $4)
           on conflict (tenant_id, question_id) do update set
             answer = excluded.answer, why = excluded.why""",
        [(tenant_id, key.question_id, key.answer, key.why) for key in tree.keys],
    )
    await db.execute(
        """delete from quiz_questions
           where tenant_id = $1 and lesson_id = any($2) and id <> all($3)""",
        tenant_id,
        [lesson.id for lesson in tree.lessons],
        [question.id for question in tree.questions],
    )


async def _delete_or_unpublish_missing_lessons(
    db: Connection, tenant_id: UUID, tree: CourseTree
) -> None:
    lessons = [lesson.id for lesson in tree.lessons]
    await db.execute(
        """delete from lessons l using modules m
           where l.tenant_id = $1 and m.tenant_id = $1 and m.id = l.module_id
             and m.course_id = $2 and l.id <> all($3)
             and not exists (select from lesson_progress p
                             where p.tenant_id = $1 and p.lesson_id = l.id)
             and not exists (select from quiz_runs r
                             where r.tenant_id = $1 and r.lesson_id = l.id)""",
        tenant_id,
        tree.course.id,
        lessons,
    )
    await db.execute(
        """update lessons l set is_published = false, order_index = shelf.place
           from (
             select o.id, row_number() over (order by o.id) + (
               select greatest($4, max(x.order_index)) from lessons x where x.tenant_id = $1
             ) as place
             from lessons o join modules m on m.tenant_id = $1 and m.id = o.module_id
             where o.tenant_id = $1 and m.course_id = $2 and o.id <> all($3)
               and o.order_index < $4
           ) as shelf
           where l.tenant_id = $1 and l.id = shelf.id""",
        tenant_id,
        tree.course.id,
        lessons,
        SHELF,
    )


async def _delete_or_unpublish_missing_modules(
    db: Connection, tenant_id: UUID, tree: CourseTree
) -> None:
    modules = [module.id for module in tree.modules]
    await db.execute(
        """delete from modules m where tenant_id = $1 and course_id = $2 and id <> all($3)
             and not exists (select from lessons l
                             where l.tenant_id = $1 and l.module_id = m.id)""",
        tenant_id,
        tree.course.id,
        modules,
    )
    await db.execute(
        """update modules m set is_published = false, order_index = shelf.place
           from (
             select id, row_number() over (order by id) + (
               select greatest($4, max(x.order_index)) from modules x where x.tenant_id = $1
             ) as place
             from modules
             where tenant_id = $1 and course_id = $2 and id <> all($3) and order_index < $4
           ) as shelf
           where m.tenant_id = $1 and m.id = shelf.id""",
        tenant_id,
        tree.course.id,
        modules,
        SHELF,
    )
