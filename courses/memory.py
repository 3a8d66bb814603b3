"""The console's library: one course folder in memory; nothing is stored."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from courses.course import Course, Lesson, Passage
from courses.folder import read_course
from courses.lexemes import lexemes
from courses.library import PassageHit
from courses.progress import (
    CourseProgress,
    LessonProgress,
    ProgressStatus,
    Visit,
    VisitedLesson,
    VisitFacts,
    classify_visit,
)
from courses.quiz import (
    GradedAnswer,
    Question,
    QuizRun,
    advance_run,
    check_option,
    hint_text,
    is_quiz_passed,
)
from courses.tree import CourseTree, build_tree
from errors import Conflict, NotFound

NIL = UUID(int=0)  # the tenant
HEADING_WEIGHT, BODY_WEIGHT = 1.0, 0.4  # Postgres' A and B


class MemoryLibrary:
    def __init__(self, tree: CourseTree) -> None:
        self.tree = tree
        published = [
            replace(lesson, is_published=lesson.is_published and module.id not in tree.unpublished)
            for module in tree.modules
            for lesson in tree.lessons
            if lesson.module_id == module.id
        ]
        self._lessons = {lesson.id: lesson for lesson in published}
        self._outline = [lesson for lesson in published if lesson.is_published]
        self._keys = {key.question_id: key for key in tree.keys}
        self._index = [(passage, _lexeme_weights(passage)) for passage in tree.passages]
        self._runs: dict[tuple[UUID, UUID], QuizRun] = {}
        self._status: dict[tuple[UUID, UUID], tuple[ProgressStatus, datetime]] = {}

    @classmethod
    def from_folder(cls, folder: Path) -> "MemoryLibrary":
        """Reads a course folder. Raises CourseFolderError."""
        return cls(build_tree(read_course(folder), NIL))

    async def get_course(self, course_id: UUID) -> Course:
        if course_id != self.tree.course.id:
            raise NotFound(f"course {course_id}")
        return self.tree.course

    async def get_lesson(self, lesson_id: UUID) -> Lesson:
        if lesson_id not in self._lessons:
            raise NotFound(f"lesson {lesson_id}")
        return self._lessons[lesson_id]

    async def list_outline(self, course_id: UUID) -> list[Lesson]:
        return list(self._outline) if course_id == self.tree.course.id else []

    async def list_passages(self, lesson_id: UUID) -> list[Passage]:
        return [passage for passage in self.tree.passages if passage.lesson_id == lesson_id]

    async def search_passages(
        self, course_id: UUID, query: str, limit: int = 8
    ) -> list[PassageHit]:
        """Ranks like Postgres' `ts_rank`."""
        words = set(lexemes(query))
        hits = []
        for number, lesson in enumerate(await self.list_outline(course_id), start=1):
            for passage, weights in self._index:
                score = sum(weights.get(word, 0.0) for word in words)
                if passage.lesson_id == lesson.id and score > 0:
                    hits.append(PassageHit(passage, lesson.title, number, score / len(words)))
        hits.sort(key=lambda hit: (-hit.score, hit.lesson_number, hit.passage.number))
        return hits[:limit]

    async def list_questions(self, lesson_id: UUID) -> Sequence[Question]:
        return [question for question in self.tree.questions if question.lesson_id == lesson_id]

    async def get_quiz_run(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        total = len(await self.list_questions(lesson_id))
        return self._runs.get((account_id, lesson_id), QuizRun(None, 0, 0, 0, 0, total))

    async def start_quiz(self, account_id: UUID, lesson_id: UUID) -> QuizRun:
        run = await self.get_quiz_run(account_id, lesson_id)
        if run.pending is None:
            questions = await self.list_questions(lesson_id)
            if not questions:
                raise NotFound("quiz")
            run = QuizRun(questions[0], 0, 0, 0, 0, len(questions))
            self._runs[account_id, lesson_id] = run
        return run

    async def grade_answer(
        self, account_id: UUID, lesson_id: UUID, option: int, now: datetime
    ) -> GradedAnswer:
        run = await self.get_quiz_run(account_id, lesson_id)
        if run.pending is None:
            raise Conflict("No question is open.")
        check_option(run.pending, option)
        key = self._keys[run.pending.id]
        right = key.answer == option
        later = (q for q in await self.list_questions(lesson_id) if q.number > run.pending.number)
        run = advance_run(run, right, next(later, None))
        self._runs[account_id, lesson_id] = run
        if is_quiz_passed(run):
            self._status[account_id, lesson_id] = ("completed", now)
        return GradedAnswer(right, key.why if right else "", run)

    async def take_hint(self, account_id: UUID, lesson_id: UUID) -> str:
        run = await self.get_quiz_run(account_id, lesson_id)
        if run.pending is None:
            raise Conflict("No question is open.")
        question, level = run.pending, run.hint_level + 1
        self._runs[account_id, lesson_id] = replace(run, hint_level=level)
        passages = await self.list_passages(lesson_id)
        bodies = (p.body for p in passages if p.number == question.passage_number)
        return hint_text(level, self._keys[question.id].hint, next(bodies, None))

    async def describe_visit(
        self, account_id: UUID, course_id: UUID, lesson_id: UUID | None
    ) -> Visit:
        mine = {key[1]: row for key, row in self._status.items() if key[0] == account_id}
        latest = max(mine, key=lambda lesson: mine[lesson][1], default=None)
        completed = [x for x in self._outline if mine.get(x.id, ("",))[0] == "completed"]
        row = None if lesson_id is None else mine.get(lesson_id)
        facts = VisitFacts(
            visited_lessons=len(mine),
            course=CourseProgress(
                completed_lessons=len(completed),
                total_lessons=len(self._outline),
                last_lesson_title=None if latest is None else self._lessons[latest].title,
            ),
            lesson=self._describe_visited_lesson(lesson_id),
            progress=row and LessonProgress(100 if row[0] == "completed" else 0, 0.0, row[0]),
        )
        return classify_visit(facts)

    async def record_visit(self, account_id: UUID, lesson_id: UUID, now: datetime) -> None:
        status, _ = self._status.get((account_id, lesson_id), ("in_progress", now))
        self._status[account_id, lesson_id] = (status, now)

    def _describe_visited_lesson(self, lesson_id: UUID | None) -> VisitedLesson | None:
        lesson = self._lessons.get(lesson_id) if lesson_id else None
        if lesson is None:
            return None
        first = [m.id for m in self.tree.modules if m.id not in self.tree.unpublished][:1]
        place = self._outline.index(lesson) if lesson in self._outline else None
        return VisitedLesson(
            order_index=lesson.order_index,
            in_first_module=lesson.module_id in first,
            number=None if place is None else place + 1,
            prev_title=self._outline[place - 1].title if place else None,
        )


def _lexeme_weights(passage: Passage) -> dict[str, float]:
    """What each lexeme of a passage adds to its rank; each repetition adds less."""
    found: dict[str, list[float]] = {}
    for text, weight in ((passage.heading, HEADING_WEIGHT), (passage.body, BODY_WEIGHT)):
        for word, count in Counter(lexemes(text)).items():
            found.setdefault(word, []).extend([weight] * count)
    return {
        word: sum(weight / place**2 for place, weight in enumerate(weights, start=1))
        for word, weights in found.items()
    }
