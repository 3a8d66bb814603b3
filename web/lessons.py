"""Courses and lessons to read. Owns /api/courses and /api/lessons."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Response

from courses import progress
from courses.course import Lesson
from courses.quiz import Question
from db import Connection, NotFound, tenant_tx
from db.courses import (
    find_captions,
    find_course,
    find_lesson,
    list_courses,
    list_outline,
    list_passages,
)
from db.progress import list_marked_modules, update_progress
from db.quizzes import list_questions
from db.roles import may, may_see_lesson
from web.context import Caller, Running, SignedIn
from web.errors import PROBLEMS
from web.models import (
    CourseLine,
    CourseList,
    CourseProgress,
    CourseTree,
    LastLesson,
    LessonLine,
    LessonPassage,
    LessonProgress,
    LessonText,
    ModuleLine,
    ProgressChange,
    QuizQuestion,
)

router = APIRouter(prefix="/api", tags=["courses"], responses=PROBLEMS)


@router.get("/courses")
async def get_courses(running: Running, caller: Caller) -> CourseList:
    """The courses of the tenant."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        courses = await list_courses(db, caller.tenant_id)
    return CourseList(courses=[CourseLine(id=c.id, slug=c.slug, title=c.title) for c in courses])


@router.get("/courses/{course_id}")
async def get_course(course_id: str, running: Running, caller: Caller) -> CourseTree:
    """A course by its outside key, id or slug, with modules, lessons and the caller's marks."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        course = await find_course(db, caller.tenant_id, course_id)
        if course is None:
            raise NotFound("course")
        modules = await list_marked_modules(
            db,
            caller.tenant_id,
            caller.account.id,
            course.id,
            unpublished=may(caller.account, "see_unpublished"),
        )
    return CourseTree(
        id=course.id,
        slug=course.slug,
        title=course.title,
        description=course.description,
        modules=[_module_line(module) for module in modules],
        progress=course_progress_of(progress.summarize(modules)),
        last=_last_lesson(modules),
    )


@router.get("/lessons/{lesson_id}")
async def get_lesson(lesson_id: UUID, running: Running, caller: Caller) -> LessonText:
    """A lesson to read: objectives, numbered passages, captions, quiz questions."""
    tenant_id = caller.tenant_id
    async with tenant_tx(running.pool, tenant_id) as db:
        lesson = await _lesson(db, caller, lesson_id)
        outline = [x.id for x in await list_outline(db, tenant_id, lesson.course_id)]
        passages = await list_passages(db, tenant_id, lesson_id)
        captions = await find_captions(db, tenant_id, lesson_id)
        questions = await list_questions(db, tenant_id, lesson_id)
    return LessonText(
        id=lesson.id,
        course_id=lesson.course_id,
        module_id=lesson.module_id,
        number=outline.index(lesson.id) + 1 if lesson.id in outline else None,
        title=lesson.title,
        description=lesson.description,
        objectives=list(lesson.objectives),
        passages=[
            LessonPassage.model_validate(passage, from_attributes=True) for passage in passages
        ],
        captions_url=f"/api/lessons/{lesson.id}/captions" if captions else None,
        quiz=quiz_of(questions),
    )


@router.get(
    "/lessons/{lesson_id}/captions",
    response_class=Response,
    responses={200: {"content": {"text/vtt": {"schema": {"type": "string"}}}}},
)
async def get_captions(lesson_id: UUID, running: Running, caller: Caller) -> Response:
    """The captions of the lesson's video, WebVTT."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        await _lesson(db, caller, lesson_id)
        captions = await find_captions(db, caller.tenant_id, lesson_id)
    if not captions:
        raise NotFound("captions")
    return Response(captions, media_type="text/vtt")


@router.put("/lessons/{lesson_id}/progress")
async def put_progress(
    lesson_id: UUID, body: ProgressChange, running: Running, caller: Caller
) -> LessonProgress:
    """Stores how far the learner is in a lesson; `completed` completes it."""
    tenant_id, account_id = caller.tenant_id, caller.account.id
    async with tenant_tx(running.pool, tenant_id) as db:
        await _lesson(db, caller, lesson_id)
        stored = await update_progress(
            db,
            tenant_id,
            account_id,
            lesson_id,
            percentage=body.percentage,
            last_position=body.last_position,
            completed=body.completed,
            now=running.clock(),
        )
    return progress_of(stored)


def course_progress_of(stored: progress.CourseProgress) -> CourseProgress:
    """The figures of a course."""
    return CourseProgress(
        completed_lessons=stored.completed_lessons,
        total_lessons=stored.total_lessons,
        last_lesson_title=stored.last_lesson_title,
    )


def _module_line(module: progress.MarkedModule) -> ModuleLine:
    lines = [
        LessonLine(
            id=lesson.id,
            title=lesson.title,
            order_index=lesson.order_index,
            duration=lesson.duration_s,
            status=lesson.status,
        )
        for lesson in module.lessons
    ]
    return ModuleLine(id=module.id, title=module.title, lessons=lines)


def _last_lesson(modules: Sequence[progress.MarkedModule]) -> LastLesson | None:
    lesson = progress.last_visited(modules)
    if lesson is None or lesson.last_accessed_at is None:
        return None
    return LastLesson(
        lesson_id=lesson.id,
        module_id=lesson.module_id,
        last_position=lesson.last_position,
        last_accessed_at=lesson.last_accessed_at,
    )


def progress_of(stored: progress.LessonProgress) -> LessonProgress:
    """How far a learner is."""
    return LessonProgress(
        completion_percentage=stored.completion_percentage,
        last_position=stored.last_position,
        status=stored.status,
    )


def quiz_of(questions: list[Question]) -> list[QuizQuestion]:
    """Questions as learners see them."""
    return [
        QuizQuestion(
            id=q.id,
            number=q.number,
            prompt=q.prompt,
            options=list(q.options),
            passage_number=q.passage_number,
        )
        for q in questions
    ]


async def _lesson(db: Connection, caller: SignedIn, lesson_id: UUID) -> Lesson:
    """A lesson that the caller may see. Raises NotFound."""
    lesson = await find_lesson(db, caller.tenant_id, lesson_id)
    if lesson is None or not may_see_lesson(caller.account, lesson):
        raise NotFound("lesson")
    return lesson
