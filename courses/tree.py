"""A course folder as rows. Owns their ids: the same file always gets the same id."""

from dataclasses import dataclass
from uuid import UUID, uuid5

from courses.course import Course, Lesson, Module, Passage
from courses.folder import CourseFile, LessonFile, ModuleFile
from courses.quiz import Question


@dataclass(frozen=True)
class AnswerKey:
    """The secret part of a question; `answer` counts options from 0."""

    question_id: UUID
    answer: int
    why: str
    hint: str


@dataclass(frozen=True)
class CourseTree:
    """The rows of a course. A lesson's `is_published` ignores its module's."""

    course: Course
    modules: tuple[Module, ...]
    unpublished: frozenset[UUID]  # modules
    lessons: tuple[Lesson, ...]
    captions: dict[UUID, str | None]
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]
    keys: tuple[AnswerKey, ...]


def build_tree(file: CourseFile, tenant_id: UUID) -> CourseTree:
    """The rows of a course in a tenant. Ids depend on tenant, slug and path only."""
    course = Course(
        uuid5(tenant_id, file.slug),
        file.course_id,
        file.slug,
        file.title,
        file.description,
        file.objectives,
    )
    modules = [_build_module(course, index, module) for index, module in enumerate(file.modules)]
    pairs = [
        (_build_lesson(module, index, lesson), lesson)
        for module, module_file in zip(modules, file.modules, strict=True)
        for index, lesson in enumerate(module_file.lessons)
    ]
    return CourseTree(
        course=course,
        modules=tuple(modules),
        unpublished=frozenset(
            module.id
            for module, module_file in zip(modules, file.modules, strict=True)
            if not module_file.is_published
        ),
        lessons=tuple(lesson for lesson, _ in pairs),
        captions={lesson.id: lesson_file.captions_vtt for lesson, lesson_file in pairs},
        passages=tuple(passage for pair in pairs for passage in _build_passages(*pair)),
        questions=tuple(question for pair in pairs for question, _ in _build_questions(*pair)),
        keys=tuple(key for pair in pairs for _, key in _build_questions(*pair)),
    )


def _build_module(course: Course, index: int, file: ModuleFile) -> Module:
    return Module(uuid5(course.id, file.key), course.id, file.title, file.description, index)


def _build_lesson(module: Module, index: int, file: LessonFile) -> Lesson:
    return Lesson(
        id=uuid5(module.course_id, file.key),
        module_id=module.id,
        course_id=module.course_id,
        title=file.title,
        order_index=index,
        description=file.description,
        objectives=file.objectives,
        duration_s=file.duration_s,
        kpoint_video_id=file.kpoint_video_id,
        youtube_video_id=file.youtube_video_id,
        is_published=file.is_published,
    )


def _build_passages(lesson: Lesson, file: LessonFile) -> list[Passage]:
    return [
        Passage(
            uuid5(lesson.id, f"passage {number}"),
            lesson.id,
            number,
            passage.kind,
            passage.heading,
            passage.body,
            passage.mathml,
        )
        for number, passage in enumerate(file.passages, start=1)
    ]


def _build_questions(lesson: Lesson, file: LessonFile) -> list[tuple[Question, AnswerKey]]:
    pairs = []
    for number, entry in enumerate(file.quiz, start=1):
        question = Question(
            uuid5(lesson.id, f"question {number}"),
            lesson.id,
            number,
            entry.prompt,
            entry.options,
            entry.passage_number,
        )
        pairs.append((question, AnswerKey(question.id, entry.answer, entry.why, entry.hint)))
    return pairs
