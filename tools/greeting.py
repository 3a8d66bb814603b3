"""Greetings, and the short first words after an absence."""

from uuid import UUID

import prompts
from courses.library import Library
from courses.progress import Visit
from tools.quiz import question_text


async def greeting_text(
    library: Library, course_id: UUID, *, learner: str, lesson_id: UUID | None, visit: Visit
) -> str:
    course = await library.get_course(course_id)
    lesson = await library.get_lesson(lesson_id) if lesson_id else None
    return prompts.render(
        visit.session_type,
        learner=learner,
        course=course.title,
        number=visit.lesson_number if lesson else None,
        lesson=lesson.title if lesson else None,
        previous=visit.prev_lesson_title,
    )


async def back_again_text(library: Library, *, learner: str, lesson_id: UUID) -> str:
    lesson = await library.get_lesson(lesson_id)
    return prompts.render("back_again", learner=learner, lesson=lesson.title)


async def resumed_text(library: Library, *, account_id: UUID, lesson_id: UUID | None) -> str:
    """For an agent that takes over: names the lesson, or repeats the open question."""
    if lesson_id is None:
        return prompts.render("resumed", lesson=None, question=None)
    run = await library.get_quiz_run(account_id, lesson_id)
    lesson = await library.get_lesson(lesson_id)
    question = question_text(run.pending, run) if run.pending else None
    return prompts.render("resumed", lesson=None if question else lesson.title, question=question)
