"""What can be done with the lesson: change it, sum it up, read on. Each result can be spoken."""

import difflib
import re
from collections.abc import Sequence
from uuid import UUID

import prompts
from courses.course import Lesson, Passage
from courses.sentences import passage_sentences
from courses.words import lexemes, normal
from db import Forbidden, NotFound
from tools.desk import Desk
from tools.words import capital, listed, number_in, spoken

NO_LESSON = "No lesson is chosen yet. Say go to lesson one, or choose a lesson on the page."
SUMMARY_SENTENCES = 3
READ_SENTENCES = 4
_EXAMPLE = re.compile(
    r"\b(for example|for instance|such as|suppose|imagine|picture|think of)\b", re.IGNORECASE
)
_OTHER_MODULE = re.compile(r"\b(next|following|previous) (?:module|chapter|unit)\b")
_RELATIVE = {"next": 1, "following": 1, "previous": -1, "before": -1, "back": -1}


def cited(sentence: str, lesson_number: int, passage_number: int) -> str:
    """A sentence with the mark of the passage that it rests on."""
    return f"{sentence} [[{lesson_number}.{passage_number}]]"


def named(number: int, title: str) -> str:
    """How a lesson is called in speech; a preview outside the course order has no number."""
    title = title.rstrip(".?! ")
    return f"lesson {spoken(number)}, {title}" if number else f"the lesson {title}"


def match_lesson(target: str, outline: Sequence[Lesson], current: UUID | None) -> int | None:
    """The index in the outline that "next", "first", "lesson two" or a title means, or None."""
    words = normal(target)
    here = next((i for i, lesson in enumerate(outline) if lesson.id == current), None)
    if here is not None and (match := _OTHER_MODULE.search(words)):
        return _first_of_module(outline, here, 1 if match[1] in ("next", "following") else -1)
    for word, step in _RELATIVE.items():
        if word in words.split():
            return _inside(step - 1 if here is None else here + step, outline)
    if re.fullmatch(r"(the )?(very )?last( lesson)?", words):
        return len(outline) - 1 if outline else None
    if re.fullmatch(r"(this|the current)( lesson)?", words):
        return here
    by_title = _match_title(words, outline)
    number = number_in(words)
    if number is not None and (by_title is None or "lesson" in words.split()):
        return _inside(number - 1, outline)
    return by_title


def _first_of_module(outline: Sequence[Lesson], here: int, step: int) -> int | None:
    modules = list(dict.fromkeys(lesson.module_id for lesson in outline))
    wanted = modules.index(outline[here].module_id) + step
    if not 0 <= wanted < len(modules):
        return None
    return next(i for i, lesson in enumerate(outline) if lesson.module_id == modules[wanted])


def _inside(index: int, outline: Sequence[Lesson]) -> int | None:
    return index if 0 <= index < len(outline) else None


def _match_title(words: str, outline: Sequence[Lesson]) -> int | None:
    """The title that shares most of its words with what was said, at least half of what was."""
    said = set(lexemes(words))
    titles = [normal(lesson.title) for lesson in outline]
    shared = [len(said & set(lexemes(title))) for title in titles]
    if said and shared and max(shared) * 2 >= len(said):
        return max(range(len(shared)), key=lambda i: (shared[i], -len(titles[i])))
    close = difflib.get_close_matches(words, titles, 1, 0.75)
    return titles.index(close[0]) if close else None


async def change(desk: Desk, target: str) -> str:
    """Takes the learner to another lesson."""
    outline = await desk.library.outline(desk.course_id)
    index = match_lesson(target, outline, desk.lesson_id)
    if index is None:
        return (
            f"I did not find that lesson. This course has {spoken(len(outline))} lessons: "
            "say go to lesson one, next lesson, or a title."
        )
    lesson = outline[index]
    if lesson.id == desk.lesson_id:
        return f"We are already in {named(index + 1, lesson.title)}."
    try:
        await desk.change_lesson(lesson.id)
    except (Forbidden, NotFound) as refusal:
        return str(refusal)
    desk.lesson_id = lesson.id
    return prompts.render("lesson_changed", number=index + 1, title=lesson.title)


async def describe(desk: Desk, target: str) -> str:
    """What a lesson is about, without going there."""
    outline = await desk.library.outline(desk.course_id)
    index = match_lesson(target, outline, desk.lesson_id)
    if index is None:
        return f"There is no such lesson. This course has {spoken(len(outline))} lessons."
    lesson = outline[index]
    return f"{capital(named(index + 1, lesson.title))}: {lesson.description}".strip()


async def objectives(desk: Desk) -> str:
    """What the learner can do after the lesson."""
    found = await desk.lesson()
    if found is None:
        return NO_LESSON
    number, lesson = found
    if not lesson.objectives:
        return f"{capital(named(number, lesson.title))} names no objectives."
    goals = [goal[:1].lower() + goal[1:].rstrip(".") for goal in lesson.objectives]
    return f"After {named(number, lesson.title)}, you can {listed(goals)}."


async def summarise(desk: Desk, target: str = "this") -> str:
    """The lesson in a few of its own sentences: its description, then what opens its sections."""
    outline = await desk.library.outline(desk.course_id)
    index = match_lesson(target or "this", outline, desk.lesson_id)
    if index is None:
        return NO_LESSON if desk.lesson_id is None else "I did not find that lesson."
    lesson, number = outline[index], index + 1
    openers = section_openers(await desk.library.passages(lesson.id))
    chosen = [cited(text, number, p.number) for p, text in openers[:SUMMARY_SENTENCES]]
    return " ".join([f"{capital(named(number, lesson.title))}: {lesson.description}", *chosen])


def section_openers(passages: Sequence[Passage]) -> list[tuple[Passage, str]]:
    """The first sentence of the first text of each section, sections that define a term first."""
    first: dict[str, tuple[Passage, str]] = {}
    for passage in passages:
        if passage.kind == "text" and (found := passage_sentences(passage.body)):
            first.setdefault(passage.heading, (passage, found[0]))
    openers = list(first.values())
    defining = [one for one in openers if re.search(r"\b(is|are) (a|an|the)\b", one[1])]
    chosen = (defining + [one for one in openers if one not in defining])[:SUMMARY_SENTENCES]
    return sorted(chosen, key=lambda one: one[0].number)


async def where(desk: Desk) -> str:
    """Where the learner stands in lesson and course."""
    found = await desk.lesson()
    if found is None:
        return NO_LESSON
    number, lesson = found
    parts = [f"You are in {named(number, lesson.title)}."]
    place = desk.topic
    if place and place.lesson_id == lesson.id:
        passages = await desk.library.passages(lesson.id)
        heading = next((p.heading for p in passages if p.number == place.passage), "")
        parts.append(f"We last spoke about {heading[:1].lower() + heading[1:]}." if heading else "")
    visit = await desk.library.visit(desk.account_id, desk.course_id, desk.lesson_id)
    done, total = visit.course_progress.completed_lessons, visit.course_progress.total_lessons
    parts.append(f"You have completed {spoken(done)} of {spoken(total)} lessons.")
    return " ".join(part for part in parts if part)


async def read(desk: Desk, part: str) -> str:
    """Reads a part of the lesson aloud and remembers the place.

    `part` is next, previous, first, this (again), example, another example, or code.
    """
    topic, reading_on = desk.topic, part in ("next", "previous", "first")
    if topic and reading_on and topic.lesson_id != desk.lesson_id:
        topic = None  # an answer from elsewhere does not move the learner's own place
    found = await desk.lesson(topic.lesson_id if topic else None)
    if found is None:
        return NO_LESSON
    number, lesson = found
    passages = await desk.library.passages(lesson.id)
    passage = choose_passage(passages, topic.passage if topic else 0, normal(part))
    if passage is None:
        return _nothing_to_read(normal(part), named(number, lesson.title))
    desk.mark_place(lesson.id, passage.number)
    chosen = [cited(one, number, passage.number) for one in passage_sentences(passage.body)]
    if "example" in part:
        chosen = [one for one in chosen if _EXAMPLE.search(one)][:2]
    opening = f"{capital(passage.heading)}. " if passage.heading else ""
    return opening + " ".join(chosen[:READ_SENTENCES])


def choose_passage(passages: Sequence[Passage], place: int, part: str) -> Passage | None:
    """The text that a part means for a learner at passage number `place` (0: nowhere yet)."""
    texts = [passage for passage in passages if passage.kind == "text"]
    if part == "code":
        code = {p.number for p in passages if p.kind == "code"}
        return _nearest([p for p in texts if p.number - 1 in code], place)
    if "example" in part:
        shown = [p for p in texts if _EXAMPLE.search(p.body)]
        start = place + 1 if "another" in part else place
        return next((p for p in shown if p.number >= start), shown[0] if shown else None)
    if part == "previous":
        return next((p for p in reversed(texts) if p.number < place), None)
    if part == "next":
        return next((p for p in texts if p.number > place), None)
    at = 0 if part == "first" else place
    return next((p for p in texts if p.number >= at), None)


def _nearest(passages: list[Passage], place: int) -> Passage | None:
    return min(passages, key=lambda p: abs(p.number - place), default=None)


def _nothing_to_read(part: str, lesson: str) -> str:
    if part == "previous":
        return f"This is the beginning of {lesson}. Say previous lesson to go further back."
    if part == "next":
        return f"That was the last part of {lesson}. Say quiz me, or next lesson."
    if part == "code":
        return "There is no code in this lesson."
    return f"I found nothing to read in {lesson}."
