"""Passages for an answer, and the prompt that gives them to a language model."""

import prompts
from courses.lexemes import content_words
from courses.library import PassageHit
from courses.one_line import one_line
from courses.pictures import describe_pictures_in_words
from prompts.fence import defuse_fences, new_fence_code
from tools.desk import Desk
from tools.phrasing import join_with_and

QUERY_CHARS = 400
REMARK_CHARS = 400  # of what a classmate said: nobody may fill another learner's prompt


async def find_passages(desk: Desk, question: str, limit: int) -> list[PassageHit]:
    query = " ".join(content_words(question))[:QUERY_CHARS]
    if not query:
        return []
    return await desk.library.search_passages(desk.course_id, query, limit)


async def grounding_text(desk: Desk, hits: list[PassageHit]) -> str:
    """The message before a question: the learner, their lesson and the marked passages.

    Everything that people wrote is inside the fence, each short text on one line.
    """
    found = await desk.find_lesson()
    number, lesson = found or (None, None)
    question = None
    if desk.lesson_id is not None:
        run = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
        question = run.pending.prompt if run.pending else None
    objectives = list(lesson.objectives) if lesson else []
    return prompts.render(
        "grounding",
        code=new_fence_code(),
        learner=_one_safe_line(desk.learner_name),
        number=number,
        lesson=_one_safe_line(lesson.title) if lesson else None,
        objectives=_one_safe_line(join_with_and(objectives)) if objectives else None,
        question=_one_safe_line(question) if question else None,
        overheard="\n".join(_remark_line(*one) for one in desk.talk.overheard) or None,
        passages="\n\n".join(_passage_text(hit) for hit in hits) or prompts.render("no_passages"),
    )


def _passage_text(hit: PassageHit) -> str:
    mark = f"[[{hit.lesson_number}.{hit.passage.number}]]"
    heading = f" {_one_safe_line(hit.passage.heading)}:" if hit.passage.heading else ""
    body = defuse_fences(describe_pictures_in_words(hit.passage.body))
    return f"{mark} ({_one_safe_line(hit.lesson_title)}){heading}\n{body}"


def _remark_line(speaker: str, words: str) -> str:
    return f"{_one_safe_line(speaker)}: {_one_safe_line(words[:REMARK_CHARS])}"


def _one_safe_line(text: str) -> str:
    return defuse_fences(one_line(text))
