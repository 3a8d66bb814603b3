"""Passages for an answer, and the prompt that gives them to a language model."""

import prompts
from courses.lexemes import content_words
from courses.library import PassageHit
from courses.pictures import describe_pictures
from tools.desk import Desk
from tools.phrasing import join_with_and

QUERY_CHARS = 400
_LESSON_TEXT_FENCES = ("BEGIN LESSON TEXT", "END LESSON TEXT")


async def find_passages(desk: Desk, question: str, limit: int) -> list[PassageHit]:
    query = " ".join(content_words(question))[:QUERY_CHARS]
    if not query:
        return []
    return await desk.library.search(desk.course_id, query, limit)


async def grounding_text(desk: Desk, hits: list[PassageHit]) -> str:
    """The message before a question: the learner, their lesson and the marked passages."""
    found = await desk.find_lesson()
    number, lesson = found or (None, None)
    question = None
    if desk.lesson_id is not None:
        run = await desk.library.quiz_run(desk.account_id, desk.lesson_id)
        question = run.pending.prompt if run.pending else None
    return prompts.render(
        "grounding",
        learner=" ".join(_defuse_fences(desk.learner_name).split()),
        number=number,
        lesson=lesson.title if lesson else None,
        objectives=join_with_and(list(lesson.objectives)) if lesson and lesson.objectives else None,
        question=question,
        passages="\n\n".join(_passage_text(hit) for hit in hits) or prompts.render("no_passages"),
    )


def _passage_text(hit: PassageHit) -> str:
    mark = f"[[{hit.lesson_number}.{hit.passage.number}]]"
    heading = f" {hit.passage.heading}:" if hit.passage.heading else ""
    return _defuse_fences(
        f"{mark} ({hit.lesson_title}){heading}\n{describe_pictures(hit.passage.body)}"
    )


def _defuse_fences(text: str) -> str:
    """Lower-cases fence lines, so that the text cannot end the lesson text around it."""
    for fence in _LESSON_TEXT_FENCES:
        text = text.replace(fence, fence.lower())
    return text
