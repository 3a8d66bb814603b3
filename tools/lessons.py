"""Tools for lessons: change, describe, summarise, read aloud. Results can be read aloud."""

import difflib
import re
from collections.abc import Sequence
from uuid import UUID

import prompts
from courses.course import Lesson, Passage
from courses.lexemes import lexemes, normalise
from courses.sentences import passage_sentences
from db import Forbidden, NotFound
from tools.desk import Desk
from tools.phrasing import capitalise_first, find_number, join_with_and, number_word

SUMMARY_SENTENCES = 3
READ_SENTENCES = 4
_EXAMPLE_WORDS = re.compile(
    r"\b(for example|for instance|such as|suppose|imagine|picture|think of)\b", re.IGNORECASE
)
_OTHER_MODULE = re.compile(r"\b(next|following|previous) (?:module|chapter|unit)\b")
_STEPS_BY_WORD = {"next": 1, "following": 1, "previous": -1, "before": -1, "back": -1}


def with_citation(sentence: str, lesson_number: int, passage_number: int) -> str:
    return f"{sentence} [[{lesson_number}.{passage_number}]]"


def spoken_lesson_name(number: int, title: str) -> str:
    """A lesson as it is spoken. Number 0 means unpublished and is not said."""
    title = title.rstrip(".?! ")
    if not number:
        return prompts.render("lesson_unnumbered", title=title)
    return prompts.render("lesson_named", number=number_word(number), title=title)


def match_lesson(target: str, outline: Sequence[Lesson], current: UUID | None) -> int | None:
    words = normalise(target)
    here = next((i for i, lesson in enumerate(outline) if lesson.id == current), None)
    if here is not None and (match := _OTHER_MODULE.search(words)):
        return _first_lesson_of_module(
            outline, here, 1 if match[1] in ("next", "following") else -1
        )
    for word, step in _STEPS_BY_WORD.items():
        if word in words.split():
            return _index_in_outline(step - 1 if here is None else here + step, outline)
    if re.fullmatch(r"(the )?(very )?last( lesson)?", words):
        return len(outline) - 1 if outline else None
    if re.fullmatch(r"(this|the current)( lesson)?", words):
        return here
    by_title = _match_title(words, outline)
    number = find_number(words)
    if number is not None and (by_title is None or "lesson" in words.split()):
        return _index_in_outline(number - 1, outline)
    return by_title


def _first_lesson_of_module(outline: Sequence[Lesson], here: int, step: int) -> int | None:
    modules = list(dict.fromkeys(lesson.module_id for lesson in outline))
    wanted = modules.index(outline[here].module_id) + step
    if not 0 <= wanted < len(modules):
        return None
    return next(i for i, lesson in enumerate(outline) if lesson.module_id == modules[wanted])


def _index_in_outline(index: int, outline: Sequence[Lesson]) -> int | None:
    return index if 0 <= index < len(outline) else None


def _match_title(words: str, outline: Sequence[Lesson]) -> int | None:
    """The title with the most words of the text, at least half of them; else a close spelling."""
    said = set(lexemes(words))
    titles = [normalise(lesson.title) for lesson in outline]
    shared = [len(said & set(lexemes(title))) for title in titles]
    if said and shared and max(shared) * 2 >= len(said):
        return max(range(len(shared)), key=lambda i: (shared[i], -len(titles[i])))
    close = difflib.get_close_matches(words, titles, 1, 0.75)
    return titles.index(close[0]) if close else None


async def change_lesson(desk: Desk, target: str) -> str:
    outline = await desk.library.list_outline(desk.course_id)
    index = match_lesson(target, outline, desk.lesson_id)
    if index is None:
        return prompts.render("unknown_lesson_to_open", lessons=number_word(len(outline)))
    lesson = outline[index]
    if lesson.id == desk.lesson_id:
        return prompts.render(
            "already_in_lesson", lesson=spoken_lesson_name(index + 1, lesson.title)
        )
    try:
        await desk.talk.change_lesson(lesson.id)
    except (Forbidden, NotFound) as refusal:
        return str(refusal)
    return prompts.render("lesson_changed", number=index + 1, title=lesson.title)


async def describe_lesson(desk: Desk, target: str) -> str:
    outline = await desk.library.list_outline(desk.course_id)
    index = match_lesson(target, outline, desk.lesson_id)
    if index is None:
        return prompts.render("unknown_lesson_to_describe", lessons=number_word(len(outline)))
    return _description_text(index + 1, outline[index])


def _description_text(number: int, lesson: Lesson) -> str:
    name = capitalise_first(spoken_lesson_name(number, lesson.title))
    return prompts.render("lesson_described", lesson=name, description=lesson.description or None)


async def tell_objectives(desk: Desk) -> str:
    found = await desk.find_lesson()
    if found is None:
        return prompts.render("no_lesson")
    number, lesson = found
    if not lesson.objectives:
        return prompts.render(
            "no_objectives", lesson=capitalise_first(spoken_lesson_name(number, lesson.title))
        )
    goals = [_lower_first_letter(goal).rstrip(".") for goal in lesson.objectives]
    return prompts.render(
        "objectives", lesson=spoken_lesson_name(number, lesson.title), goals=join_with_and(goals)
    )


async def summarise_lesson(desk: Desk, target: str = "this") -> str:
    outline = await desk.library.list_outline(desk.course_id)
    index = match_lesson(target or "this", outline, desk.lesson_id)
    if index is None:
        return prompts.render("no_lesson" if desk.lesson_id is None else "unknown_lesson")
    lesson, number = outline[index], index + 1
    openers = section_openers(await desk.library.list_passages(lesson.id))
    chosen = [with_citation(text, number, p.number) for p, text in openers[:SUMMARY_SENTENCES]]
    return " ".join([_description_text(number, lesson), *chosen])


def section_openers(passages: Sequence[Passage]) -> list[tuple[Passage, str]]:
    """First sentences of sections, at most SUMMARY_SENTENCES, those that define a term first."""
    first: dict[str, tuple[Passage, str]] = {}
    for passage in passages:
        if passage.kind == "text" and (found := passage_sentences(passage.body)):
            first.setdefault(passage.heading, (passage, found[0]))
    openers = list(first.values())
    defining = [one for one in openers if re.search(r"\b(is|are) (a|an|the)\b", one[1])]
    chosen = (defining + [one for one in openers if one not in defining])[:SUMMARY_SENTENCES]
    return sorted(chosen, key=lambda one: one[0].number)


async def tell_position(desk: Desk) -> str:
    found = await desk.find_lesson()
    if found is None:
        return prompts.render("no_lesson")
    number, lesson = found
    topic, place = "", desk.topic
    if place and place.lesson_id == lesson.id:
        passages = await desk.library.list_passages(lesson.id)
        topic = next((p.heading for p in passages if p.number == place.passage), "")
    visit = await desk.library.describe_visit(desk.account_id, desk.course_id, desk.lesson_id)
    return prompts.render(
        "where",
        lesson=spoken_lesson_name(number, lesson.title),
        topic=_lower_first_letter(topic) or None,
        completed=number_word(visit.course_progress.completed_lessons),
        lessons=number_word(visit.course_progress.total_lessons),
    )


def _lower_first_letter(text: str) -> str:
    return text[:1].lower() + text[1:]


async def read_part(desk: Desk, part: str) -> str:
    """Reads a part of the lesson and remembers the place.

    `part` is next, previous, first, this (again), example, another example, or code.
    """
    topic, reading_on = desk.topic, part in ("next", "previous", "first")
    if topic and reading_on and topic.lesson_id != desk.lesson_id:
        topic = None  # an answer from another lesson does not change the learner's place
    found = await desk.find_lesson(topic.lesson_id if topic else None)
    if found is None:
        return prompts.render("no_lesson")
    number, lesson = found
    passages = await desk.library.list_passages(lesson.id)
    passage = choose_passage(passages, topic.passage if topic else 0, normalise(part))
    if passage is None:
        return _nothing_to_read(normalise(part), spoken_lesson_name(number, lesson.title))
    desk.mark_place(lesson.id, passage.number)
    chosen = [with_citation(one, number, passage.number) for one in passage_sentences(passage.body)]
    if "example" in part:
        chosen = [one for one in chosen if _EXAMPLE_WORDS.search(one)][:2]
    opening = f"{capitalise_first(passage.heading)}. " if passage.heading else ""
    return opening + " ".join(chosen[:READ_SENTENCES])


def choose_passage(passages: Sequence[Passage], place: int, part: str) -> Passage | None:
    """The passage that `part` means to a learner at passage `place` (0: before the first)."""
    texts = [passage for passage in passages if passage.kind == "text"]
    if part == "code":
        code = {p.number for p in passages if p.kind == "code"}
        return _nearest_passage([p for p in texts if p.number - 1 in code], place)
    if "example" in part:
        shown = [p for p in texts if _EXAMPLE_WORDS.search(p.body)]
        start = place + 1 if "another" in part else place
        return next((p for p in shown if p.number >= start), shown[0] if shown else None)
    if part == "previous":
        return next((p for p in reversed(texts) if p.number < place), None)
    if part == "next":
        return next((p for p in texts if p.number > place), None)
    at = 0 if part == "first" else place
    return next((p for p in texts if p.number >= at), None)


def _nearest_passage(passages: list[Passage], place: int) -> Passage | None:
    return min(passages, key=lambda p: abs(p.number - place), default=None)


def _nothing_to_read(part: str, lesson: str) -> str:
    if part == "previous":
        return prompts.render("beginning_of_lesson", lesson=lesson)
    if part == "next":
        return prompts.render("end_of_lesson", lesson=lesson)
    if part == "code":
        return prompts.render("no_code")
    return prompts.render("nothing_to_read", lesson=lesson)
