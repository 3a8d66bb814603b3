"""The first words to a learner, by session type."""

import prompts
from db.progress import Visit
from tools.desk import Desk


async def greeting(desk: Desk, visit: Visit) -> str:
    """The greeting of the learner at the desk; without a lesson it names the course alone."""
    course = await desk.library.course(desk.course_id)
    found = await desk.lesson()
    return prompts.render(
        visit.session_type,
        learner=desk.learner_name,
        course=course.title,
        number=visit.lesson_number if found else None,
        lesson=found[1].title if found else None,
        previous=visit.prev_lesson_title,
    )
